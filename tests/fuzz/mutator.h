// Inputs made from others by small damage, for builds without libFuzzer. Every choice follows from
// the seed. Knows nothing of what the inputs mean but the words of a dictionary.
#pragma once

#include <cstdint>
#include <random>
#include <string>
#include <vector>

namespace fuzz {

class Mutator {
 public:
  static constexpr size_t kInputBytesMax = 64 * 1024;  // longer ones are cut

  // `seeds` are not empty; `words` may be.
  Mutator(uint64_t seed, std::vector<std::string> seeds, std::vector<std::string> words)
      : random_(seed), seeds_(std::move(seeds)), words_(std::move(words)) {}

  // A seed with a few changes.
  std::string next();

 private:
  size_t below(size_t limit) { return static_cast<size_t>(random_() % limit); }  // limit >= 1
  const std::string& any_seed() { return seeds_[below(seeds_.size())]; }
  void change(std::string& text);
  void change_number(std::string& text);

  std::mt19937_64 random_;
  std::vector<std::string> seeds_;
  std::vector<std::string> words_;
};

// The words of a dictionary in libFuzzer's format: name="value" with \\, \" and \xHH in the value,
// '#' begins a comment. Throws std::runtime_error with the line that is none.
std::vector<std::string> parse_dictionary(const std::string& text);

}  // namespace fuzz
