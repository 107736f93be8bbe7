#include "providers/azure/notice.hpp"

#include <algorithm>
#include <array>

#include "core/base/text.hpp"
#include "core/wire/answer_json.hpp"
#include "core/wire/cloud_answer.hpp"
#include "core/wire/http_date.hpp"

namespace gpubroker::azure {
namespace {

constexpr std::string_view kSource = "azure metadata service";

/// Freeze is a pause of seconds and ends nothing.
bool ends_a_job(const std::string& type) {
  constexpr std::array<std::string_view, 4> kEnds = {"Preempt", "Terminate", "Redeploy", "Reboot"};
  return std::find(kEnds.begin(), kEnds.end(), type) != kEnds.end();
}

class ScheduledEvents final : public NoticeSource {
 public:
  ScheduledEvents(Http& http, Clock& clock) : http_(http), clock_(clock) {}

  Result<std::optional<Instant>> look() override {
    if (name_.empty()) {
      TRY(const std::string body, ask("instance/compute?api-version=2021-02-01"));
      TRY(name_, parse_own_name(body));
    }
    TRY(const std::string body, ask("scheduledevents?api-version=2020-07-01"));
    return parse_events(body, name_, clock_.now());
  }

 private:
  Result<std::string> ask(const std::string& what) {
    HttpRequest request{.url = "http://169.254.169.254/metadata/" + what,
                        .headers = {{"Metadata", "true"}},
                        .timeout = std::chrono::seconds{5}};
    TRY(HttpResponse answer, http_.send(request));
    if (answer.status >= 400) { return error_from_answer(answer, std::string(kSource), clock_.now()); }
    return std::move(answer.body);
  }

  Http& http_;
  Clock& clock_;
  std::string name_ = {};
};

}  // namespace

Result<std::string> parse_own_name(std::string_view body) {
  return read_answer(body, kSource, [](const AnswerValue& root) -> Result<std::string> {
    const std::string name = root.at("name").text();
    if (name.empty()) { AnswerValue::refuse("the machine has no name"); }
    return name;
  });
}

Result<std::optional<Instant>> parse_events(std::string_view body, std::string_view machine, Instant now) {
  using Found = std::optional<Instant>;
  return read_answer(body, kSource, [&](const AnswerValue& root) -> Result<Found> {
    Found first;
    for (const AnswerValue& event : root.at("Events").list()) {
      if (!ends_a_job(event.at("EventType").text())) { continue; }
      bool is_ours = false;
      for (const AnswerValue& one : event.at("Resources").list()) {
        is_ours = is_ours || lower(one.text()) == lower(machine);
      }
      if (!is_ours) { continue; }
      // Empty once it has started; a failed host's event begins so.
      const Instant at = parse_http_date(event.text_or("NotBefore")).value_or(now);
      if (!first || at < *first) { first = at; }
    }
    return first;
  });
}

std::unique_ptr<NoticeSource> make_notice_source(Http& http, Clock& clock) {
  return std::make_unique<ScheduledEvents>(http, clock);
}

}  // namespace gpubroker::azure
