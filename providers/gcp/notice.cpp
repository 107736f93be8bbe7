#include "providers/gcp/notice.hpp"

#include "core/base/text.hpp"
#include "providers/gcp/machines.hpp"

namespace gpubroker::gcp {
namespace {

constexpr const char* kInstance = "http://169.254.169.254/computeMetadata/v1/instance/";
constexpr Millis kPatience{2'000};
constexpr Millis kMaintenanceNotice = std::chrono::minutes{60};

class GcpNotice final : public NoticeSource {
 public:
  GcpNotice(Http& http, Clock& clock) : http_(http), clock_(clock) {}

  Result<std::optional<Instant>> look() override {
    // No date is told: the time runs from the first look that finds it announced.
    if (until_) { return until_; }
    TRY(const std::string preempted, ask("preempted"));
    if (preempted == "TRUE") {
      until_ = clock_.now() + kPreemptionNotice;
      return until_;
    }
    TRY(const std::string maintenance, ask("maintenance-event"));
    if (maintenance == "TERMINATE_ON_HOST_MAINTENANCE") { until_ = clock_.now() + kMaintenanceNotice; }
    return until_;
  }

 private:
  Result<std::string> ask(const std::string& name) {
    TRY(const HttpResponse answer,
        http_.send(
            {.url = kInstance + name, .headers = {{"Metadata-Flavor", "Google"}}, .timeout = kPatience}));
    // Somebody else answers where there is no metadata server (a hotel's network).
    const bool is_google = find_header(answer.headers, "metadata-flavor") == "Google";
    if (answer.status == 200 && is_google) { return std::string(trim(answer.body)); }
    return Error{.kind = ErrorKind::network,
                 .message = "the metadata server gave HTTP " + std::to_string(answer.status),
                 .source = "gcp metadata " + name};
  }

  Http& http_;
  Clock& clock_;
  std::optional<Instant> until_ = {};
};

}  // namespace

std::unique_ptr<NoticeSource> make_notice_source(Http& http, Clock& clock) {
  return std::make_unique<GcpNotice>(http, clock);
}

}  // namespace gpubroker::gcp
