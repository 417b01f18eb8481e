// A Record as one line of the log, in one of the formats that log analysers read. Pure but for a
// time that it remembers; one per worker.
#pragma once

#include <cstddef>
#include <cstdint>

#include "server/log/record.h"

namespace ringserve::log {

// common:   remote - - [21/Nov/2026:06:40:00 +0000] "GET /a HTTP/1.1" 200 1234
// combined: the same, and "referer" "user agent"
//           Both as nginx writes them: sizes are those of the body, "-" stands for what is not
//           there, and escape.h says how strangers' text is escaped.
// json:     one object a line, every key always there:
//           {"time":"2026-11-21T06:40:00.000123Z","remote":"192.0.2.1","method":"GET",
//            "target":"/a","protocol":"HTTP/1.1","host":"example.org","status":200,
//            "sent_bytes":1500,"body_bytes":1234,"duration_us":41,"send_path":"sendfile",
//            "copied_bytes":266,"zero_copy_bytes":1234,"referer":"","user_agent":"",
//            "complete":true}
// All times are UTC, and those of the request's arrival.
enum class Format { common, combined, json };

class LineFormatter {
 public:
  explicit LineFormatter(Format format) : format_(format) {}

  // No line is longer, in bytes, its end included.
  static size_t bytes_max(const Record& record);
  // `out` has room for bytes_max(record). Returns the end, behind the '\n'.
  char* write(const Record& record, char* out);

 private:
  char* write_text(const Record& record, char* out);
  char* write_json(const Record& record, char* out);
  void set_second(int64_t second);
  void set_time(int64_t at_us);
  char* append_time(char* out) const;

  static constexpr size_t kTimeBytesMax = 32;

  const Format format_;
  char time_text_[kTimeBytesMax] = {};
  int64_t at_us_ = -1;       // that it is about, since the epoch
  size_t time_bytes_ = 0;    // of time_text_
  int64_t second_ = -1;      // of at_us_
  size_t second_bytes_ = 0;  // of time_text_: all but the fraction
};

}  // namespace ringserve::log
