// The parts of the page; charts are in html_charts.cpp.
#include "sim/html_report.hpp"

#include <algorithm>

#include <fmt/format.h>

#include "sim/html_charts.hpp"

namespace fastptm::sim {

namespace {

constexpr std::string_view style = R"(
:root{--bg:#fff;--fg:#1c2430;--dim:#667085;--line:#d7dce3;--card:#f5f7fa;--bad:#d92d20;--good:#067647}
@media(prefers-color-scheme:dark){:root{--bg:#12161d;--fg:#e6e9ee;--dim:#98a2b3;--line:#333c49;--card:#1b212b;--bad:#ff6b5e;--good:#4cc38a}}
body{font:15px/1.5 system-ui,sans-serif;background:var(--bg);color:var(--fg);margin:0 auto;max-width:1180px;padding:24px}
h1{font-size:24px;margin:0 0 4px}h2{font-size:18px;margin:36px 0 2px}p{margin:2px 0 12px;color:var(--dim);max-width:1080px}td small{display:block;color:var(--dim);font-weight:400}
.cards{display:flex;gap:12px;flex-wrap:wrap;margin:20px 0}.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:10px 12px;flex:1 1 118px}
.card b{display:block;font-size:24px}.card span{color:var(--dim);font-size:13px}.bad{color:var(--bad)}.good{color:var(--good)}
.scroll{overflow-x:auto;border:1px solid var(--line);border-radius:10px;background:var(--card)}
svg{display:block}svg text{fill:var(--fg);font:12px system-ui,sans-serif}svg .dim{fill:var(--dim)}svg .grid{stroke:var(--line)}svg .mark{stroke:var(--dim);stroke-dasharray:2 4}
svg .on{fill:#fff;pointer-events:none;paint-order:stroke;stroke:#0009;stroke-width:2.5px}svg .note{paint-order:stroke;stroke:var(--card);stroke-width:5px}
.legend{display:flex;gap:14px;flex-wrap:wrap;font-size:13px;margin:8px 0}.legend i{display:inline-block;width:14px;height:14px;border-radius:3px;vertical-align:-2px;margin-right:5px}
table{border-collapse:collapse;width:100%}th,td{text-align:right;padding:6px 10px;border-bottom:1px solid var(--line);font-variant-numeric:tabular-nums}
th{color:var(--dim);font-weight:600;font-size:13px}th:first-child,td:first-child{text-align:left}td:not(:first-child){width:11%}tr.this td{background:var(--card);font-weight:600}
td .bar{display:block;height:5px;border-radius:3px;background:#4c7ef3;margin-top:3px;margin-left:auto}
)";

std::string escaped(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string card(const std::string& value, std::string_view label, std::string_view kind = "") {
  return fmt::format("<div class=card><b class=\"{}\">{}</b><span>{}</span></div>", kind, value, label);
}

std::string cards(const replay_metrics& m) {
  const double on_time = 100.0 * static_cast<double>(m.n - m.overtime) / static_cast<double>(m.n);
  return "<div class=cards>" + card(fmt::format("{:.1f} %", on_time), "answered on time", m.overtime ? "" : "good") +
         card(std::to_string(m.overtime), "late", m.overtime ? "bad" : "good") +
         card(std::to_string(m.loads), "loads of weights") + card(std::to_string(m.switches), "changes of model") +
         card(fmt::format("{:.0f} ms", m.mean_ms), "mean time to answer") +
         card(fmt::format("{:.0f} ms", m.p99_ms), "99 % answered within") +
         card(fmt::format("{:.1f} s", m.total_ms / 1000), "until all were answered") + "</div>";
}

std::string bar(double value, double most) {
  return fmt::format("<span class=bar style=\"width:{:.0f}%\"></span>", most > 0 ? 100 * value / most : 0.0);
}

// What a policy does, for people who have never heard of it.
std::string_view words_for(std::string_view policy) {
  if (policy == "dxv") return "stays with a model while it has requests; what cannot be on time any more comes last";
  if (policy == "sjf") return "the cheapest first: no change of model, then the oldest";
  if (policy == "edf") return "the earliest deadline first";
  if (policy == "omls" || policy == "omls_clean") return "the paper's: a list per model, the long waiting first";
  if (policy == "fcfs") return "in the order of arrival, lanes in turn";
  if (policy == "fcfs_full") return "in the order of arrival, building the whole model at every change";
  if (policy == "affinity") return "where the model is, another lane when that is too busy";
  if (policy == "least_loaded") return "the lane with the least work";
  if (policy == "round_robin") return "lanes in turn";
  return "";
}

// How many, with its noun.
std::string counted(uint64_t n, std::string_view noun) {
  return fmt::format("{} {}{}", n, noun, n == 1 ? "" : "s");
}

std::string set_up(const trace& t, uint32_t lanes, const replay_costs& c) {
  std::string text =
      fmt::format("{} for {} on {}. A lane runs one model at a time: executing {} takes {:g} ms, bringing another "
                  "model's weights to it takes {:g} ms, and the weights of {} fit at once{}.",
                  counted(t.requests.size(), "request"), counted(t.models, "model"), counted(lanes, "lane"),
                  c.max_batch > 1 ? "one request" : "a request", c.exec_ms + c.exec_base_ms, c.switch_ms,
                  counted(c.resident, "model"), c.shared_pool ? " for all lanes together" : " per lane");
  if (c.max_batch > 1)
    text += fmt::format(" Up to {} requests of a model run together as a batch, each but the first for {:g} ms more.",
                        c.max_batch, c.exec_ms);
  if (c.layers > 1) text += fmt::format(" Weights come in {} parts: execution may begin with the first.", c.layers);
  if (c.prefetch && c.resident > 1) text += " Weights may be loaded ahead, while a lane executes.";
  if (c.shared_pool && lanes > 1) text += " All loads are drawn above lane 0.";
  return text;
}

std::string comparison(const std::vector<report_run>& runs) {
  replay_metrics most;
  for (const report_run& r : runs) {
    const replay_metrics& m = r.result.metrics;
    most.overtime = std::max(most.overtime, m.overtime);
    most.loads = std::max(most.loads, m.loads);
    most.mean_ms = std::max(most.mean_ms, m.mean_ms);
    most.p99_ms = std::max(most.p99_ms, m.p99_ms);
    most.total_ms = std::max(most.total_ms, m.total_ms);
  }
  std::string out = "<table><tr><th>policy</th><th>late</th><th>loads</th><th>mean time, ms</th><th>99 % within, "
                    "ms</th><th>all done, s</th><th>on time per s</th></tr>";
  for (size_t i = 0; i < runs.size(); ++i) {
    const replay_metrics& m = runs[i].result.metrics;
    out += fmt::format("<tr{}><td>{}<small>{}</small></td><td>{}{}</td><td>{}{}</td><td>{:.0f}{}</td><td>{:.0f}{}</"
                       "td><td>{:.1f}{}</td><td>{:.1f}</td></tr>",
                       i == 0 ? " class=this" : "", runs[i].policy, words_for(runs[i].policy), m.overtime,
                       bar(double(m.overtime), double(most.overtime)), m.loads,
                       bar(double(m.loads), double(most.loads)), m.mean_ms, bar(m.mean_ms, most.mean_ms), m.p99_ms,
                       bar(m.p99_ms, most.p99_ms), m.total_ms / 1000, bar(m.total_ms, most.total_ms), m.goodput_rps);
  }
  return out + "</table>";
}

std::string section(std::string_view heading, std::string_view words, const std::string& body) {
  return fmt::format("<h2>{}</h2><p>{}</p>{}", heading, words, body);
}

} // namespace

std::string html_report(const std::string& title, const trace& t, uint32_t lanes, const replay_costs& c,
                        const std::vector<report_run>& runs) {
  const report_run& shown = runs.front();
  std::string page =
      fmt::format("<!doctype html><html lang=en><meta charset=utf-8><meta name=viewport "
                  "content=\"width=device-width\"><title>{0}: {1}</title><style>{2}</style><h1>{0}: policy {1}</h1>",
                  escaped(title), shown.policy, style);
  page += "<p>" + set_up(t, lanes, c) + "</p>";
  page += cards(shown.result.metrics);
  page += section("What the lanes did",
                  "Time runs to the right. Each block is a batch of requests for one model, in the model's colour; a "
                  "hatched strip above is the weights of that model being loaded; gaps are idle time. A red foot marks "
                  "requests that were answered late. Point at a block for its numbers.",
                  timeline_chart(t, shown.result, lanes));
  page += section(
      "Requests waiting",
      "Requests that have come and have not yet begun, under each policy. One that keeps up stays near zero; one that "
      "has lost control grows until no more requests come. The chart ends at three times the length of the trace.",
      waiting_chart(t, runs));
  page += section("How long requests took",
                  "The share of requests that were answered within a time after they came: a line further left is "
                  "faster. What is right of the dashed line was late.",
                  latency_chart(t, runs));
  page += section("Policies compared",
                  "The same requests and costs under each policy, the one shown above first. Less is better, except on "
                  "time per second.",
                  comparison(runs));
  return page + "</html>\n";
}

} // namespace fastptm::sim
