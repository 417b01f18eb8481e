// Meanings: include/uapi/linux/snmp.h and Documentation/networking/snmp_counter.rst. What the
// clients met has a name with a space, "connect EADDRNOTAVAIL", and is always a witness.
#include "client/tune/measure/witnesses.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>

namespace ringtune {
namespace {

struct Meaning {
  std::string_view name;
  std::string_view text;
};

constexpr std::array kMeanings{
    Meaning{"connect EADDRNOTAVAIL", "no ephemeral port was left"},
    Meaning{"connect ECONNREFUSED", "nobody listened"},
    Meaning{"connect ECONNRESET", "reset while connecting: the accept queue was full"},
    Meaning{"not connected in time", "clients whose connect() had not ended at the end"},
    Meaning{"connected, not answered in time", "clients that waited for an answer at the end"},
    Meaning{"TIME_WAIT at most", "sockets in TIME_WAIT on the clients' side"},
    Meaning{"ListenOverflows",
            "a SYN, or the ACK that completes a handshake, found the accept "
            "queue full"},
    Meaning{"ListenDrops", "connections that a listener lost, for whatever reason"},
    Meaning{"TCPAbortOnOverflow", "resets because the accept queue was full"},
    Meaning{"TCPTimeWaitOverflow", "sockets that skipped TIME_WAIT: tcp_max_tw_buckets"},
    Meaning{"TW", "sockets that began TIME_WAIT"},
    Meaning{"TWRecycled", "ports in TIME_WAIT that connect() took over"},
    Meaning{"TCPReqQFullDoCookies", "SYNs answered with a cookie: too many half-open"},
    Meaning{"TCPReqQFullDrop", "SYNs dropped: too many half-open, and no cookies"},
    Meaning{"SyncookiesSent", "SYN cookies sent"},
    Meaning{"RetransSegs", "segments sent again"},
    Meaning{"TCPSynRetrans", "SYNs and SYN-ACKs sent again"},
    Meaning{"TCPTimeouts", "retransmission timers that expired"},
    Meaning{"TCPLostRetransmit", "retransmissions that were lost too"},
    Meaning{"TCPSlowStartRetrans", "segments sent again in slow start after a timeout"},
    Meaning{"TCPSpuriousRTOs", "timeouts that were a mistake"},
    Meaning{"TCPBacklogDrop", "segments dropped: the socket's backlog was full"},
    Meaning{"TCPRcvQDrop", "segments dropped: the receive queue was full"},
    Meaning{"PruneCalled", "receive queues that had to be compacted"},
    Meaning{"RcvPruned", "segments dropped from a receive queue for want of memory"},
    Meaning{"TCPRcvCollapsed", "segments merged for want of receive memory"},
    Meaning{"TCPToZeroWindowAdv",
            "windows that closed: the reader was too slow, or its buffer "
            "too small"},
    Meaning{"TCPWantZeroWindowAdv", "windows that should have closed"},
    Meaning{"TCPMemoryPressures", "times that TCP came near tcp_mem"},
    Meaning{"TCPAbortOnMemory", "connections ended for want of memory"},
    Meaning{"TCPFastOpenActive", "SYNs with data that were accepted"},
    Meaning{"TCPAutoCorking", "small segments held back to be joined"},
    Meaning{"DelayedACKs", "ACKs that waited"},
    Meaning{"AttemptFails", "attempts to connect that failed"},
    Meaning{"EstabResets", "connections that were reset"},
    Meaning{"OutRsts", "resets sent"},
    Meaning{"OutSegs", "segments sent"},
};

// Far: twice as many, or half; and not by a few, which chance explains.
constexpr double kTellingFactor = 2;
constexpr double kTellingCount = 3;

std::string_view meaning_of(std::string_view name) {
  const auto found = std::find_if(kMeanings.begin(), kMeanings.end(),
                                  [name](const Meaning& one) { return one.name == name; });
  return found == kMeanings.end() ? std::string_view() : found->text;
}

double median_of(const SubjectSamples& subject, const std::string& name) {
  std::vector<double> counts;
  for (const Sample& sample : subject.samples) {
    const auto found = sample.witnesses.find(name);
    counts.push_back(found == sample.witnesses.end() ? 0 : static_cast<double>(found->second));
  }
  if (counts.empty()) return 0;
  std::sort(counts.begin(), counts.end());
  return (counts[counts.size() / 2] + counts[(counts.size() - 1) / 2]) / 2;
}

bool is_telling(double baseline, double value) {
  const double less = std::min(baseline, value);
  const double more = std::max(baseline, value);
  return more - less >= kTellingCount && more >= kTellingFactor * less;
}

}  // namespace

std::vector<Witness> witnesses_of(const SubjectSamples& subject, const SubjectSamples& baseline) {
  std::set<std::string> names;
  for (const SubjectSamples* samples : {&subject, &baseline}) {
    for (const Sample& sample : samples->samples) {
      for (const auto& [name, count] : sample.witnesses) names.insert(name);
    }
  }
  std::vector<Witness> witnesses;
  for (const std::string& name : names) {
    const std::string_view meaning = meaning_of(name);
    if (meaning.empty() && name.find(' ') == std::string::npos) continue;
    const double before = median_of(baseline, name);
    const double with = median_of(subject, name);
    if (before == 0 && with == 0) continue;
    witnesses.push_back({name, before, with, meaning, is_telling(before, with)});
  }
  const auto rank = [](const Witness& witness) {
    const auto found = std::find_if(kMeanings.begin(), kMeanings.end(),
                                    [&](const Meaning& one) { return one.name == witness.name; });
    return std::pair{!witness.is_telling, found - kMeanings.begin()};
  };
  std::stable_sort(witnesses.begin(), witnesses.end(),
                   [&](const Witness& a, const Witness& b) { return rank(a) < rank(b); });
  return witnesses;
}

}  // namespace ringtune
