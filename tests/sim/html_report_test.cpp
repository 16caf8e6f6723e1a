// The page is whole: every element closed, nothing from elsewhere, every policy and every late request in it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <regex>

#include "core/random.hpp"
#include "sim/html_report.hpp"

namespace fastptm::sim {

namespace {

trace bursty_trace() {
  core::prng random(11);
  trace t;
  t.models = 5;
  for (double at_ms = 0; at_ms < 4000; at_ms += 30 + 60 * random.unit())
    t.requests.push_back({at_ms, static_cast<uint32_t>(random.below(5)), at_ms + 250});
  t.end_ms = 4000;
  return t;
}

std::string page_of(const trace& t, const std::string& title = "a <trace> & more") {
  std::vector<report_run> runs;
  for (const char* policy : {"dxv", "sjf", "edf", "omls", "fcfs"}) runs.push_back({policy, *replay(t, policy, 2, {})});
  return html_report(title, t, 2, {}, runs);
}

// Elements that never have an end.
bool is_void(const std::string& name) {
  return name == "meta" || name == "!doctype" || name == "br";
}

// The first thing that does not fit, or "".
std::string ill_formed(const std::string& page) {
  std::vector<std::string> open;
  const std::regex tag(R"(<(/?)([!a-zA-Z][a-zA-Z0-9]*)([^<>]*)>)");
  for (std::sregex_iterator it(page.begin(), page.end(), tag), end; it != end; ++it) {
    const std::string name = (*it)[2], rest = (*it)[3];
    if (is_void(name) || (!rest.empty() && rest.back() == '/')) continue;
    if ((*it)[1].length() == 0) {
      open.push_back(name);
    } else if (open.empty() || open.back() != name) {
      return "</" + name + "> closes " + (open.empty() ? "nothing" : open.back());
    } else {
      open.pop_back();
    }
  }
  return open.empty() ? "" : open.back() + " is never closed";
}

TEST(HtmlReport, IsWellFormed) {
  const std::string page = page_of(bursty_trace());
  EXPECT_EQ(ill_formed(page), "");
  EXPECT_THAT(page, testing::StartsWith("<!doctype html>"));
  EXPECT_EQ(ill_formed("<p><b></p></b>"), "</p> closes b"); // This test can fail.
}

TEST(HtmlReport, NeedsNothingFromElsewhere) {
  const std::string page = page_of(bursty_trace());
  for (const char* foreign : {"http:", "https:", "<img", "<iframe", "<link", "<script", "@import", "url(//", "url('"})
    EXPECT_THAT(page, testing::Not(testing::HasSubstr(foreign)));
}

TEST(HtmlReport, ShowsEveryPolicyAndMarksTheOneShown) {
  const std::string page = page_of(bursty_trace());
  for (const char* policy : {"dxv", "sjf", "edf", "omls", "fcfs"})
    EXPECT_THAT(page, testing::ContainsRegex("<tr[^>]*><td>" + std::string(policy))) << policy;
  EXPECT_THAT(page, testing::ContainsRegex("<tr class=this><td>dxv"));
}

TEST(HtmlReport, MarksLateRequestsIfAndOnlyIfThereAreAny) {
  trace slow = bursty_trace();
  EXPECT_THAT(page_of(slow), testing::HasSubstr(" late</title>"));
  for (trace_request& r : slow.requests) r.deadline_ms = r.arrival_ms + 1e6;
  EXPECT_THAT(page_of(slow), testing::Not(testing::HasSubstr(" late</title>")));
}

TEST(HtmlReport, TitlesAreText) {
  EXPECT_THAT(page_of(bursty_trace()), testing::AllOf(testing::HasSubstr("a &lt;trace&gt; &amp; more"),
                                                      testing::Not(testing::HasSubstr("a <trace>"))));
}

TEST(HtmlReport, OneRequestIsEnough) {
  const trace t{{{0, 0, 3000}}, 0, 1};
  EXPECT_EQ(ill_formed(page_of(t)), "");
  EXPECT_THAT(page_of(t), testing::Not(testing::HasSubstr("nan")));
}

} // namespace

} // namespace fastptm::sim
