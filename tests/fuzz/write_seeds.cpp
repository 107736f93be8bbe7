// Writes seeds into <folder>/<target>: what our own encoders make. scripts/fuzz adds the fixtures.
#include "core/broker/record.hpp"
#include "core/checkpoint/checkpoint.hpp"
#include "core/system/files.hpp"
#include "core/workload/task.hpp"
#include "providers/local/scenario.hpp"

namespace gpubroker {
namespace {

class Seeds {
 public:
  explicit Seeds(std::string folder) : folder_(std::move(folder)) {}
  void add(const std::string& target, const std::string& text) {
    const Status written = files_.write_atomic(folder_ + "/" + target + "/seed-" + std::to_string(count_++),
                                               text, 0644, /*durable=*/false);
    all_written_ = all_written_ && written.ok();
  }
  void add(const Record& record) {
    const JournalRow row = encode_record(record);
    add("record", row.kind + "\n" + row.body);
  }
  [[nodiscard]] bool all_written() const { return all_written_; }

 private:
  PosixFiles files_;
  std::string folder_;
  int count_ = 0;
  bool all_written_ = true;
};

constexpr Instant kNow{1'795'521'600'123};

AgentReport report() {
  return {.version = "0.1.0",
          .attempt = 1,
          .run_started_at = kNow,
          .ended_at = kNow,
          .exit_code = 1,
          .reason = "run exited with code 1",
          .step = 42,
          .committed = "000000000042-a001",
          .notice_until = kNow,
          .done_requests = {"r1"}};
}

void add_records(Seeds& seeds) {
  const Offer offer{
      .key = {"local", "us-east", "a", "h2", Market::spot}, .gpu = {"H100", "SXM", 80, 8}, .available = 3};
  const Refusal refusal{.key = offer.key, .code = "X", .message = "full", .at = kNow, .until = kNow};
  const NodeView node{
      .id = {"local/n-1"}, .token = {"w-a1"}, .offer = offer.key, .env = {{"A", "b"}}, .billed_from = kNow};
  const ChargeRow charge{
      .workload = {"w"}, .attempt = 1, .node = node.id, .provider = "local", .from = kNow, .to = kNow};
  const Error error{
      .kind = ErrorKind::capacity, .message = "none left", .code = "X", .scope = ErrorScope::zone};
  Task task{.name = "w",
            .workdir = "/w",
            .envs = {{"A", "b"}},
            .run = "x",
            .deadline = Millis{1},
            .budget = Money{2}};
  const std::vector<RecordBody> bodies = {
      AcceptedRecord{.task = task, .options = {.key = "k", .owner = "o", .wait = Millis{5}}},
      AskedRecord{{.verb = UserVerb::migrate, .provider = "local", .region = "eu", .number = 2}},
      PhaseRecord{.to = Phase::queued, .reason = "r", .exit = 1},
      WaitRecord{.until = kNow, .reason = "r"},
      IntentRecord{.attempt = 1, .action = "create", .offer = offer, .migration = true, .expires = kNow},
      IntentRecord{.attempt = 1, .action = "start/0"},
      OutcomeRecord{.attempt = 1, .action = "create", .nodes = {node}},
      OutcomeRecord{
          .attempt = 1, .action = "create", .error = error, .retry_in = Millis{9}, .refusal = refusal},
      OutcomeRecord{.attempt = 1, .action = "find", .checkpoint = CheckpointId{"c"}, .step = 4},
      OutcomeRecord{.attempt = 1, .action = "settle/0", .charges = {charge}},
      NodeSeenRecord{.attempt = 1, .view = node},
      AgentSeenRecord{.attempt = 1, .rank = 0, .report = report()},
      AttemptRecord{
          .what = AttemptRecord::What::over, .attempt = 1, .why = AttemptEnd::preempted, .refusal = refusal},
      MigrateGivenUpRecord{.reason = "r"}};
  for (const RecordBody& body : bodies) { seeds.add(Record{.at = kNow, .workload = {"w"}, .body = body}); }
}

void add_wire(Seeds& seeds) {
  seeds.add("wire", encode_agent_spec({.workload = {"w"},
                                       .node_ips = {"127.0.0.2"},
                                       .env = {{"A", "b"}},
                                       .secret_names = {"T"},
                                       .run = "x",
                                       .resume = CheckpointId{"c"}}));
  seeds.add("wire", encode_agent_report(report()));
  seeds.add("wire", encode_agent_request({.verb = AgentVerb::drain}));
  seeds.add("wire", encode_notice(kNow));
}

int write_seeds(const std::string& folder) {
  Seeds seeds(folder);
  add_records(seeds);
  add_wire(seeds);
  const std::string hash(64, 'a');
  seeds.add(
      "manifest",
      encode_manifest({.id = {"000000000042-a001"},
                       .workload = {"w"},
                       .step = 42,
                       .piece_size = 8 << 20,
                       .files = {{.path = "a/b", .size = 9 << 20, .sha256 = hash, .pieces = {hash, hash}}}}));
  for (const char* body :
       {"<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>true</"
        "IsTruncated><NextContinuationToken>t"
        "</NextContinuationToken><Contents><Key>a+b%2B</Key><Size>7</Size></Contents></ListBucketResult>",
        "<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>",
        "<CompleteMultipartUploadResult><ETag>&quot;x-2&quot;</ETag></CompleteMultipartUploadResult>",
        "<Error><Code>AuthorizationHeaderMalformed</Code><Message>m</Message><Region>eu-west-1</Region></"
        "Error>"}) {
    seeds.add("s3", body);
  }
  seeds.add("scenario", local::format_scenario(local::make_rehearsal({.preempt_every = Millis{9'000}})));
  for (const char* value :
       {"H100:8", "{A100-80, H100-SXM}:4", "any:80GB+:8", "4000 USD", "-$12.5", "1d2h30m", "500ms",
        "2026-11-24T12:00:00.123+01:00", "aws/us-east-1/us-east-1a", "64GB+", "2.80/gpu-hour", "A=b"}) {
    seeds.add("values", value);
  }
  return seeds.all_written() ? 0 : 1;
}

}  // namespace
}  // namespace gpubroker

int main(int argc, char** argv) {
  return argc == 2 ? gpubroker::write_seeds(argv[1]) : 2;
}
