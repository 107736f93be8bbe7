#include "providers/local/machine.hpp"

#include <algorithm>
#include <csignal>

#include "core/base/text.hpp"
#include "core/wire/agent_wire.hpp"
#include "core/wire/json.hpp"
#include "providers/local/records.hpp"

namespace gpubroker::local {
namespace {

/// A machine looks whether its root is still there at least so often. It sleeps in between: 64 of them cost
/// nothing.
constexpr Millis kLook{200};
constexpr Millis kEndLimit{5'000};

/// The disk is gone with the machine; what stays is the word of what it was and how it ended.
Status wipe_disk(Files& files, const std::string& root) {
  TRY(const std::vector<FileInfo> entries, files.list(root, /*recursive=*/false));
  for (const FileInfo& entry : entries) {
    if (entry.name == kEndedFile || entry.name == kMachineFile) { continue; }
    if (Status s = files.remove_all(root + "/" + entry.name); !s.ok()) { return s; }
  }
  return Ok{};
}

Status take_machine(const MachineParts& parts, const MachineOptions& options, const std::string& reason) {
  // First the note: from now on the node cannot be reached, and its billing has ended, even if we die right
  // here.
  Status noted = parts.files.write_atomic(options.root + "/" + std::string(kEndedFile),
                                          encode_ended({parts.clock.now(), reason}), 0644, /*durable=*/false);
  // On a full disk there is no note; the machine goes all the same and the cloud will call it a host failure.
  if (Status s = end_processes(parts.clock, parts.processes, options.node); !s.ok()) { return s; }
  if (Status s = wipe_disk(parts.files, options.root); !s.ok()) { return s; }
  return noted;
}

Status give_notice(const MachineParts& parts, const MachineOptions& options) {
  return parts.files.write_atomic(options.root + "/notice.json", encode_notice(*options.preempt_at), 0644,
                                  /*durable=*/false);
}

/// What the cloud has decided since the machine was started.
void take_order(const MachineParts& parts, MachineOptions& options) {
  const Result<std::string> text = parts.files.read(options.root + "/" + std::string(kPreemptFile));
  if (!text.ok()) { return; }
  const Result<PreemptOrder> order = parse_preempt(text.value());
  if (!order.ok()) { return; }
  options.preempt_at = order.value().at;
  options.notice = order.value().notice;
}

std::optional<Instant> parse_instant(const std::string& text) {
  const std::optional<std::int64_t> ms = parse_int(text);
  if (!ms) { return std::nullopt; }
  return Instant{*ms};
}

}  // namespace

std::vector<std::string> machine_arguments(const MachineOptions& options) {
  std::vector<std::string> out = {"--root", options.root, "--node", options.node.value};
  const auto add = [&out](const char* name, std::int64_t value) {
    out.emplace_back(name);
    out.push_back(std::to_string(value));
  };
  if (options.preempt_at) { add("--preempt-at-ms", options.preempt_at->ms); }
  if (options.notice > Millis{0}) { add("--notice-ms", options.notice.count()); }
  if (options.expires) { add("--expires-ms", options.expires->ms); }
  return out;
}

Result<MachineOptions> parse_machine_arguments(const std::vector<std::string>& arguments) {
  MachineOptions options;
  for (std::size_t i = 0; i < arguments.size(); i += 2) {
    const std::string& name = arguments[i];
    const std::string value = i + 1 < arguments.size() ? arguments[i + 1] : "";
    const std::optional<Instant> number = parse_instant(value);
    if (name == "--root" && !value.empty()) {
      options.root = value;
    } else if (name == "--node" && !value.empty()) {
      options.node = {value};
    } else if (name == "--preempt-at-ms" && number) {
      options.preempt_at = number;
    } else if (name == "--notice-ms" && number) {
      options.notice = Millis{number->ms};
    } else if (name == "--expires-ms" && number) {
      options.expires = number;
    } else {
      std::string message = "local-machine cannot read " + name;
      message += ' ';
      message += value;
      return Error{.kind = ErrorKind::invalid, .message = std::move(message)};
    }
  }
  if (options.root.empty() || options.node.value.empty()) {
    return Error{.kind = ErrorKind::invalid, .message = "local-machine needs --root and --node"};
  }
  return options;
}

Status end_processes(Clock& clock, Processes& processes, const NodeId& node) {
  const Millis deadline = clock.monotonic() + kEndLimit;
  for (Millis pause{1};; pause = std::min(pause * 2, Millis{50})) {
    // Again and again: a process may have forked between our look and our signal.
    const std::vector<std::int64_t> left = processes.find_by_env(kNodeCookie, node.value);
    if (left.empty()) { return Ok{}; }
    if (clock.monotonic() > deadline) {
      return Error{.kind = ErrorKind::internal,
                   .message = std::to_string(left.size()) + " processes of " + node.value +
                              " survive SIGKILL, one is " + std::to_string(left.front()),
                   .source = "local"};
    }
    for (const std::int64_t pid : left) {
      if (Status s = processes.signal(pid, SIGKILL); !s.ok()) { return s; }
    }
    clock.sleep_until(clock.now() + pause);
  }
}

std::string encode_preempt(const PreemptOrder& order) {
  return dump_json({{"at_ms", order.at.ms}, {"notice_ms", order.notice.count()}});
}

Result<PreemptOrder> parse_preempt(std::string_view text) {
  return read_json(text, kPreemptFile, [](const Json& json) -> Result<PreemptOrder> {
    return PreemptOrder{.at = {whole<std::int64_t>(json.at("at_ms"))},
                        .notice = Millis{whole<std::int64_t>(json.at("notice_ms"))}};
  });
}

Status run_local_machine(MachineParts parts, const MachineOptions& started) {
  MachineOptions options = started;
  bool has_notice = false;
  while (parts.files.stat(options.root).ok()) {
    take_order(parts, options);
    const Instant now = parts.clock.now();
    if (options.preempt_at && now >= *options.preempt_at) {
      return take_machine(parts, options, "preempted");
    }
    if (options.expires && now >= *options.expires) { return take_machine(parts, options, "expired"); }
    std::optional<Instant> notice_at;
    if (options.preempt_at && options.notice > Millis{0} && !has_notice) {
      notice_at = *options.preempt_at - options.notice;
    }
    // A notice that cannot be written (disk full) is tried again at the next look.
    if (notice_at && now >= *notice_at) { has_notice = give_notice(parts, options).ok(); }
    Instant next = now + kLook;
    for (const std::optional<Instant>& at : {notice_at, options.preempt_at, options.expires}) {
      if (at && *at > now) { next = std::min(next, *at); }
    }
    parts.clock.sleep_until(next);
  }
  return Ok{};
}

}  // namespace gpubroker::local
