#include "providers/aws/notice.hpp"

#include "core/wire/answer_json.hpp"
#include "core/wire/cloud_answer.hpp"

namespace gpubroker::aws {
namespace {

constexpr const char* kBase = "http://169.254.169.254/latest/";
constexpr Millis kTimeout{1'000};  // the service is on the machine itself
constexpr const char* kSource = "aws instance metadata";

class InstanceNotice final : public NoticeSource {
 public:
  InstanceNotice(Http& http, Clock& clock) : http_(http), clock_(clock) {}

  Result<std::optional<Instant>> look() override {
    if (token_.empty()) { TRY(token_, new_token()); }
    HttpRequest question{.url = std::string(kBase) + "meta-data/spot/instance-action", .timeout = kTimeout};
    question.headers = {{"x-aws-ec2-metadata-token", token_}};
    TRY(const HttpResponse answer, http_.send(question));
    if (answer.status == 404) { return std::optional<Instant>{}; }
    if (answer.status == 200) { return parse_instance_action(answer.body); }
    token_.clear();  // 401: it has run out
    return error_from_answer(answer, kSource, clock_.now());
  }

 private:
  Result<std::string> new_token() {
    HttpRequest question{.method = "PUT", .url = std::string(kBase) + "api/token", .timeout = kTimeout};
    question.headers = {{"x-aws-ec2-metadata-token-ttl-seconds", "21600"}};
    TRY(const HttpResponse answer, http_.send(question));
    if (answer.status != 200) { return error_from_answer(answer, kSource, clock_.now()); }
    return answer.body;
  }

  Http& http_;
  Clock& clock_;
  std::string token_ = {};
};

}  // namespace

Result<std::optional<Instant>> parse_instance_action(std::string_view body) {
  return read_answer(body, kSource, [](const AnswerValue& root) -> Result<std::optional<Instant>> {
    TRY(const Instant at, parse_utc(root.at("time").text()));
    return std::optional(at);
  });
}

std::unique_ptr<NoticeSource> make_notice_source(Http& http, Clock& clock) {
  return std::make_unique<InstanceNotice>(http, clock);
}

}  // namespace gpubroker::aws
