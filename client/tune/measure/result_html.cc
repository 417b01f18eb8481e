// The result as a page: a strip for each value, with its interval on a common logarithmic scale,
// the control as a band behind all of them; figures and witnesses below.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "client/load/report/format.h"
#include "client/load/report/page.h"
#include "client/tune/measure/result.h"

namespace ringtune {
namespace {

using ringload::escaped;

constexpr double kScaleMin = 1.1;  // the strip reaches from 1/1.1 to 1.1 at least
constexpr double kScaleMax = 1e6;
constexpr double kMargin = 1.05;
constexpr double kWidth = 1000;  // of a strip, in its own units

constexpr const char* kStyle = R"(
:root{--good:#0b7a4b;--even:#5b6570;--band:#e8ebf0}
@media(prefers-color-scheme:dark){:root{--good:#4fd39a;--even:#a2abb6;--band:#2a313a}}
.strip{display:grid;grid-template-columns:minmax(8em,14em) 1fr;gap:2px 14px;align-items:center;
margin:8px 0}
.strip svg{display:block;width:100%;height:30px}
.strip b{overflow-wrap:anywhere}
.better{color:var(--good)}.worse{color:var(--warn)}.even{color:var(--even)}
.strip p{grid-column:1/-1;margin:0}
svg .line{stroke:currentColor;stroke-width:3;vector-effect:non-scaling-stroke}
svg .one{stroke:var(--even);stroke-width:1;vector-effect:non-scaling-stroke}
svg .band{fill:var(--band)}
.scale{display:flex;justify-content:space-between;font-size:.85rem}
td.soft{min-width:9em}
@media(max-width:700px){.strip{grid-template-columns:1fr}td.n{white-space:normal;text-align:left}}
)";

// Where a ratio is on a strip; outside of the scale it is at its end.
class Scale {
 public:
  explicit Scale(const MeasureResult& result) {
    double farthest = kScaleMin;
    const auto reach = [&farthest](const ::measure::Comparison& one) {
      for (const double ratio : {one.ratio, one.low, one.high}) {
        if (std::isfinite(ratio) && ratio > 0) {
          farthest = std::max({farthest, ratio, 1 / ratio});
        }
      }
    };
    reach(result.control);
    for (const ParameterResult& parameter : result.parameters) {
      for (const ValueResult& value : parameter.values) reach(value.metrics.front());
    }
    end_ = std::min(farthest * kMargin, kScaleMax);
  }
  double at(double ratio) const {
    if (!(ratio > 0)) return 0;
    if (!std::isfinite(ratio)) return kWidth;
    const double place = (std::log(ratio) / std::log(end_) + 1) / 2;
    return std::clamp(place, 0.0, 1.0) * kWidth;
  }
  double end() const { return end_; }

 private:
  double end_ = kScaleMin;
};

std::string strip_svg(const ::measure::Comparison& one, const ::measure::Comparison& control,
                      const Scale& scale) {
  const double low = scale.at(one.low);
  const double high = scale.at(one.high);
  const double band_low = scale.at(control.low);
  const double band_width = std::max(scale.at(control.high) - band_low, 1.0);
  std::string svg = fmt::format(
      "<svg viewBox=\"0 0 {:.0f} 30\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{} "
      "{}\">",
      kWidth, ratio_text(one.ratio), interval_text(one));
  svg += fmt::format("<rect class=\"band\" x=\"{:.1f}\" y=\"0\" width=\"{:.1f}\" height=\"30\"/>",
                     band_low, band_width);
  const auto line = [&svg](const char* name, double x1, double y1, double x2, double y2) {
    svg += fmt::format("<line class=\"{}\" x1=\"{:.1f}\" y1=\"{}\" x2=\"{:.1f}\" y2=\"{}\"/>", name,
                       x1, y1, x2, y2);
  };
  line("one", scale.at(1), 0, scale.at(1), 30);
  line("line", low, 15, high, 15);
  line("line", low, 10, low, 20);
  line("line", high, 10, high, 20);
  line("line", scale.at(one.ratio), 4, scale.at(one.ratio), 26);
  return svg + "</svg>";
}

const char* class_of(Finding finding) {
  switch (finding) {
    case Finding::better: return "better";
    case Finding::worse: return "worse";
    default: return "even";
  }
}

std::string strip(std::string_view label, std::string_view verdict, const char* colour,
                  const ::measure::Comparison& one, const MeasureResult& result,
                  const Scale& scale) {
  return fmt::format(
      "<div class=\"strip\"><div><b>{}</b><br><span class=\"{}\">{}</span> <span "
      "class=\"soft\">{} {}</span></div><div class=\"{}\">{}</div></div>\n",
      escaped(label), colour, escaped(verdict), ratio_text(one.ratio), interval_text(one), colour,
      strip_svg(one, result.control, scale));
}

std::string details(const MeasureResult& result, const ParameterResult& parameter,
                    const ValueResult& value) {
  std::string html = fmt::format("<section><h2>{} = {}</h2>\n<table>\n", escaped(parameter.name),
                                 escaped(value.value));
  for (size_t i = 0; i < result.workload.metrics.size(); ++i) {
    const Metric& metric = result.workload.metrics[i];
    html += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"n\">{} &rarr; {}</td><td class=\"soft\">{} {}"
        "</td></tr>\n",
        escaped(metric.name), escaped(amount_text(metric, result.baseline, i)),
        escaped(amount_text(metric, value.samples, i)), ratio_text(value.metrics[i].ratio),
        interval_text(value.metrics[i]));
  }
  for (const Witness& witness : value.witnesses) {
    if (!witness.is_telling) continue;
    html += fmt::format(
        "<tr><th scope=\"row\">{}</th><td class=\"n\">{} &rarr; {}</td><td class=\"soft\">{}</td>"
        "</tr>\n",
        escaped(witness.name), ringload::si_text(witness.baseline),
        ringload::si_text(witness.value), escaped(witness.meaning));
  }
  return html + "</table>\n</section>\n";
}

}  // namespace

std::string html_of(const MeasureResult& result) {
  const Scale scale(result);
  const Metric& metric = result.workload.metrics.front();
  std::string html = ringload::page_begin(
      "ringtune", fmt::format("ringtune: {}", result.workload.name),
      fmt::format("{}; over {}; Linux {}; {} pairs of {} s", result.workload.about, result.wiring,
                  result.kernel, result.pairs, result.seconds),
      kStyle);
  if (result.is_interrupted) {
    html += fmt::format("<section class=\"warn\"><h2>Interrupted: {} of {} rounds</h2></section>\n",
                        result.pairs, result.pairs_wanted);
  }
  if (!contains_one(result.control)) {
    html +=
        "<section class=\"warn\"><h2>The machine is too noisy</h2><p>The baseline against itself "
        "is not 1: only differences larger than that count.</p></section>\n";
  }
  html += fmt::format(
      "<section><h2>{}: {} is better</h2><p class=\"soft\">Value to baseline, the median with its "
      "95 % interval; the band is the baseline against itself.</p>\n",
      escaped(metric.name), metric.more_is_better ? "more" : "less");
  for (const ParameterResult& parameter : result.parameters) {
    html += fmt::format("<p>{} <span class=\"soft\">(baseline: {})</span></p>\n",
                        escaped(parameter.name), escaped(parameter.baseline));
    for (const ValueResult& value : parameter.values) {
      html += strip(value.value, finding_name(value.finding), class_of(value.finding),
                    value.metrics.front(), result, scale);
    }
  }
  html += strip("control", "the baseline against itself", "even", result.control, result, scale);
  html += fmt::format(
      "<div class=\"strip\"><div></div><div class=\"scale soft\"><span>{}</span><span>1</span>"
      "<span>{}</span></div></div></section>\n",
      ratio_text(1 / scale.end()), ratio_text(scale.end()));
  for (const ParameterResult& parameter : result.parameters) {
    for (const ValueResult& value : parameter.values) html += details(result, parameter, value);
  }
  return html + ringload::page_end();
}

}  // namespace ringtune
