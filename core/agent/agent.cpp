#include "core/agent/agent.hpp"

#include <algorithm>
#include <csignal>
#include <set>

#include "core/agent/checkpointer.hpp"
#include "core/agent/memory.hpp"
#include "core/agent/mounts.hpp"
#include "core/agent/notice_watch.hpp"
#include "core/agent/output.hpp"
#include "core/agent/progress.hpp"
#include "core/base/text.hpp"
#include "core/wire/json.hpp"

namespace gpubroker {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr Millis kTick = milliseconds{25};  // between two looks at the job's wishes and ours
constexpr Millis kShortNap =
    milliseconds{1};  // after output, doubled up to a tick: a pipe is soon full again
constexpr Millis kHeartbeat = seconds{2};
constexpr Millis kReportEvery = milliseconds{100};
constexpr Millis kPolite = seconds{2};    // from SIGTERM to SIGKILL for what the run left behind
constexpr Millis kFullDisk = seconds{5};  // without a report, until the job is ended
constexpr std::size_t kReserve = 65'536;  // of the disk, for the last word on a full one
constexpr const char* kCookie = "GPUBROKER_TASK";

int signal_number(const std::string& name) {
  if (name == "SIGUSR1") { return SIGUSR1; }
  if (name == "SIGUSR2") { return SIGUSR2; }
  if (name == "SIGINT") { return SIGINT; }
  if (name == "SIGHUP") { return SIGHUP; }
  return SIGTERM;
}

class Agent {
 public:
  Agent(AgentParts parts, const std::string& root, int attempt, const std::function<bool()>& stopping)
      : parts_(parts),
        root_(root),
        folder_(root + "/attempts/" + std::to_string(attempt)),
        workdir_(root + "/workdir"),
        stopping_(stopping),
        progress_(parts.files, parts.clock, folder_ + "/progress") {
    report_.attempt = attempt;
  }

  Status run() {
    Result<std::unique_ptr<FileLock>> lock = parts_.files.lock(folder_ + "/agent.lock", Millis{0});
    if (!lock.ok()) { return lock.error(); }
    TRY(const std::string text, parts_.files.read(folder_ + "/spec.json"));
    Result<AgentSpec> spec = parse_agent_spec(text);
    if (!spec.ok()) { return refuse(text, spec.error()); }
    spec_ = std::move(spec).value();
    begin_report();
    if (was_here_before()) { return Ok{}; }
    TRY([[maybe_unused]] const Ok kept,
        parts_.files.write_atomic(folder_ + "/reserve", std::string(kReserve, '0'), 0600, /*durable=*/false));
    TRY([[maybe_unused]] const Ok told, write_report(/*durable=*/false));
    OutputLog output(parts_.files, parts_.clock, folder_, spec_.output_bytes_max);
    output_ = &output;
    Checkpointer checkpointer(parts_, spec_, checkpoint_folder(), given_or_none());
    if (spec_.rank == 0 && !spec_.checkpoint.path.empty()) { checkpointer_ = &checkpointer; }
    Status lived = live(checkpointer);
    checkpointer_ = nullptr;
    output_ = nullptr;
    return lived;
  }

 private:
  /// Everything from preparing to the last word.
  Status live(Checkpointer& checkpointer) {
    if (Status ready = prepare(); !ready.ok()) {
      return leave("could not prepare the node: " + ready.error().message, /*setup_failed=*/true);
    }
    if (!spec_.setup.empty()) {
      if (Status ran = run_script("setup", spec_.setup); !ran.ok()) { return leave_unstarted("setup", ran); }
      if (ended_ || report_.exit_code != 0) { return leave(report_.reason, /*setup_failed=*/!ended_); }
      report_.exit_code.reset();
      report_.reason.clear();
    }
    if (spec_.resume) {
      set_phase(AgentPhase::restoring);
      if (Status restored = checkpointer.restore(); !restored.ok()) {
        return leave("could not restore " + spec_.resume->value + ": " + restored.error().message,
                     /*setup_failed=*/true);
      }
    }
    if (Status ran = run_script("run", spec_.run); !ran.ok()) { return leave_unstarted("run", ran); }
    if (checkpointer_ != nullptr) { checkpointer_->finish(progress_.step(), was_killed()); }
    return leave(report_.reason, /*setup_failed=*/false);
  }

  Status leave_unstarted(const std::string& name, const Status& why) {
    end_tree(Millis{0});
    return leave("could not start " + name + ": " + why.error().message, /*setup_failed=*/true);
  }

  /// A spec that cannot be read is told in a report: the broker would wait for a silent agent and try again.
  Status refuse(const std::string& text, const Error& why) {
    const Result<int> rank =
        read_json(text, "spec", [](const Json& json) -> Result<int> { return whole<int>(json.at("rank")); });
    spec_.rank = rank.ok() ? rank.value() : 0;
    begin_report();
    return leave("cannot read what to run: " + why.message + (why.hint.empty() ? "" : "; " + why.hint),
                 /*setup_failed=*/true);
  }

  // --- report ---

  void begin_report() {
    report_.version = std::to_string(kAgentWireVersion);
    report_.rank = spec_.rank;
    report_.pid = parts_.processes.self_pid();
    report_.started_at = parts_.clock.now();
  }

  Status write_report(bool durable) {
    report_.heartbeat_at = parts_.clock.now();
    gather(/*with_age=*/true);
    written_ = report_;
    written_at_ = parts_.clock.monotonic();
    return parts_.files.write_atomic(folder_ + "/report.json", encode_agent_report(report_), 0600, durable);
  }

  void gather(bool with_age) {
    if (checkpointer_ != nullptr) { checkpointer_->tell(report_); }
    if (output_ != nullptr) { report_.output = output_->span(); }
    progress_.tell(report_, with_age);
  }

  void set_phase(AgentPhase phase) {
    report_.phase = phase;
    (void)write_report(/*durable=*/false);
  }

  void report_if_due() {
    gather(/*with_age=*/false);
    const Millis now = parts_.clock.monotonic();
    const Millis since = now - written_at_;
    if (since < kHeartbeat && (since < kReportEvery || report_ == written_)) { return; }
    const Status written = write_report(/*durable=*/false);
    if (written.ok()) {
      disk_full_since_.reset();
      return;
    }
    // Old output gives way to the report. Where there is none to give, the job cannot save either.
    if (output_->drop_older() || !disk_full_since_) {
      disk_full_since_ = now;
    } else if (now - *disk_full_since_ >= kFullDisk) {
      kill_job("the node's disk cannot be written: " + written.error().message);
    }
  }

  Status leave(const std::string& reason, bool setup_failed) {
    report_.phase = AgentPhase::exited;
    report_.reason = reason;
    report_.setup_failed = setup_failed;
    if (setup_failed && !report_.exit_code && !report_.exit_signal) { report_.exit_code = 1; }
    report_.ended_at = parts_.clock.now();
    (void)parts_.files.remove_all(folder_ + "/reserve");
    (void)parts_.files.remove_all(folder_ + "/secrets.json");
    return write_report(/*durable=*/true);
  }

  /// An agent that died on this attempt left processes behind and a report that is not its last word.
  bool was_here_before() {
    const Result<std::string> text = parts_.files.read(folder_ + "/report.json");
    if (!text.ok()) { return false; }
    const Result<AgentReport> before = parse_agent_report(text.value());
    if (before.ok()) {
      if (before.value().phase == AgentPhase::exited) { return true; }
      report_ = before.value();
      progress_.go_on_from(report_);
    }  // else: what cannot be read was written by an agent all the same
    end_tree(Millis{0});
    if (spec_.rank == 0 && !spec_.checkpoint.path.empty()) {
      Checkpointer last(parts_, spec_, checkpoint_folder(), given_or_none());
      last.go_on_from(report_);
      last.finish(report_.step, /*killed=*/true);
      last.tell(report_);
    }
    report_.exit_signal = SIGKILL;
    (void)leave("the agent died and was started again; what it had started was ended",
                /*setup_failed=*/false);
    return true;
  }

  // --- before the job ---

  [[nodiscard]] std::string checkpoint_folder() const {
    const std::string& path = spec_.checkpoint.path;
    if (path.empty() || path.front() == '/') { return path; }
    return workdir_ + "/" + (path.rfind("./", 0) == 0 ? path.substr(2) : path);
  }

  Status prepare() {
    TRY([[maybe_unused]] const Ok made, parts_.files.make_dirs(workdir_, 0755));
    TRY([[maybe_unused]] const Ok unpacked, unpack_files(parts_, spec_, root_, folder_));
    expires_ = parts_.clock.monotonic() + (spec_.expires - parts_.clock.now());
    if (parts_.notices) {
      notices_ = std::make_unique<NoticeWatch>(parts_.notices(spec_.provider), parts_.clock);
    }
    // A request of a former life must not stop this one at its first step.
    return parts_.files.remove_all(folder_ + "/checkpoint.request");
  }

  /// What the user gives the job: the task's envs and secrets.
  Result<std::map<std::string, std::string>> given_environment() {
    std::map<std::string, std::string> env = spec_.env;
    if (spec_.secret_names.empty()) { return env; }
    TRY(const std::string text, parts_.files.read(folder_ + "/secrets.json"));
    TRY(const auto secrets,
        read_json(text, "secrets", [](const Json& json) -> Result<std::map<std::string, std::string>> {
          return json.get<std::map<std::string, std::string>>();
        }));
    env.insert(secrets.begin(), secrets.end());
    return env;
  }

  /// The same for the checkpointer; that secrets cannot be read is told when the job is to start.
  std::map<std::string, std::string> given_or_none() {
    Result<std::map<std::string, std::string>> given = given_environment();
    return given.ok() ? std::move(given).value() : spec_.env;
  }

  Result<std::map<std::string, std::string>> environment() {
    TRY(auto env, given_environment());
    const std::string rank = std::to_string(spec_.rank);
    const std::string nodes = std::to_string(spec_.node_ips.size());
    const std::string gpus = std::to_string(spec_.gpus_per_node);
    const std::string ips = join(spec_.node_ips, "\n");
    const std::map<std::string, std::string> ours = {
        {"GPUBROKER_WORKLOAD", spec_.workload.value},
        {"GPUBROKER_ATTEMPT", std::to_string(spec_.attempt)},
        {"GPUBROKER_NODE_ID", spec_.node.value},
        {"GPUBROKER_NODE_RANK", rank},
        {"GPUBROKER_NUM_NODES", nodes},
        {"GPUBROKER_NODE_IPS", ips},
        {"GPUBROKER_NUM_GPUS_PER_NODE", gpus},
        {"GPUBROKER_CHECKPOINT_DIR", checkpoint_folder()},
        {"GPUBROKER_CHECKPOINT_REQUEST", folder_ + "/checkpoint.request"},
        {"GPUBROKER_PROGRESS", folder_ + "/progress"},
        {kCookie, cookie()},
        {"SKYPILOT_NODE_RANK", rank},
        {"SKYPILOT_NUM_NODES", nodes},
        {"SKYPILOT_NODE_IPS", ips},
        {"SKYPILOT_NUM_GPUS_PER_NODE", gpus},
        {"SKYPILOT_TASK_ID", spec_.workload.value},
        {"MASTER_ADDR", spec_.node_ips.front()},
        {"MASTER_PORT", std::to_string(spec_.master_port)},
    };
    if (const std::string home = home_of_job(spec_, root_); !home.empty()) { env.emplace("HOME", home); }
    env.insert(ours.begin(), ours.end());  // the user's own value of MASTER_PORT, say, stands
    env[kCookie] = cookie();
    return env;
  }

  [[nodiscard]] std::string cookie() const {
    return spec_.workload.value + "/" + std::to_string(spec_.attempt) + "/" + std::to_string(spec_.rank);
  }

  // --- the job ---

  Status run_script(const std::string& name, const std::string& text) {
    const std::string script = folder_ + "/" + name + ".sh";
    TRY([[maybe_unused]] const Ok written,
        parts_.files.write_atomic(script, text + "\n", 0700, /*durable=*/false));
    TRY(const auto env, environment());
    TRY(Child child, parts_.processes.start({.argv = {"bash", script}, .env = env, .cwd = workdir_}, ""));
    if (name == "run") {
      report_.run_started_at = parts_.clock.now();
      set_phase(AgentPhase::running);
    }
    const std::string tag = name == "run" ? "out" : "setup";
    const OomKills oom_before = count_oom_kills(parts_.files);
    const ProcessExit exit = attend(child, tag);
    end_tree(kPolite);
    (void)parts_.processes.signal(-child.pid, SIGKILL);  // what has cleared its environment but not its group
    while (take_output(child, tag)) {}
    (void)output_->finish(tag, on_line_);
    parts_.processes.release(child);
    progress_.read_file();
    tell_exit(name, exit, oom_before);
    return Ok{};
  }

  /// Watches over a script until it ends.
  ProcessExit attend(const Child& child, const std::string& tag) {
    saved_at_ = parts_.clock.monotonic();
    Millis nap = kTick;
    while (true) {
      const bool wrote = take_output(child, tag);
      const Result<std::optional<ProcessExit>> exit = parts_.processes.poll(child);
      if (!exit.ok()) { return {.code = {}, .signal = SIGKILL}; }  // nobody's child any more: it has ended
      if (exit.value()) { return *exit.value(); }
      const Millis now = parts_.clock.monotonic();
      if (now - watched_at_ >= kTick) {
        watched_at_ = now;
        watch();
        report_if_due();
      }
      nap = wrote ? kShortNap : std::min(nap * 2, kTick);
      if (!wrote) { parts_.clock.sleep_until(parts_.clock.now() + nap); }
    }
  }

  /// True when there was something, so that there may be more.
  bool take_output(const Child& child, const std::string& tag) {
    Result<std::optional<std::string>> bytes = parts_.processes.read_output(child);
    if (!bytes.ok() || !bytes.value() || bytes.value()->empty()) { return false; }
    (void)output_->take(tag, *bytes.value(), on_line_);  // a full disk must not end the job
    return true;
  }

  void tell_exit(const std::string& name, const ProcessExit& exit, const OomKills& before) {
    report_.exit_code = exit.code;
    report_.exit_signal = exit.signal;
    if (!ended_why_.empty()) {
      report_.reason = ended_why_;
      return;
    }
    const bool killed = exit.signal == SIGKILL || exit.code == 128 + SIGKILL;
    const OomKills after = count_oom_kills(parts_.files);
    const bool counted = (before.ours && after.ours) || (before.machine && after.machine);
    // The machine's count may be of another's death, unless a process of ours was killed.
    report_.out_of_memory =
        (after.ours > before.ours && exit.code != 0) || (killed && after.machine > before.machine);
    report_.reason = name + describe_exit(exit);
    if (report_.out_of_memory) {
      report_.reason += ": out of memory";
    } else if (killed && !counted) {
      report_.reason += " (out of memory?)";
    }
  }

  static std::string describe_exit(const ProcessExit& exit) {
    if (exit.signal) { return " was killed by signal " + std::to_string(*exit.signal); }
    const int code = exit.code.value_or(-1);
    if (code == 127) { return ": command not found (exit code 127)"; }
    if (code > 128) {
      return ": exit code " + std::to_string(code) + ": a process of it was killed by signal " +
             std::to_string(code - 128);
    }
    return " exited with code " + std::to_string(code);
  }

  /// Whether the job was ended in the middle of whatever it did. A job that saves and then dies of the signal
  /// that asked for it was not.
  [[nodiscard]] bool was_killed() const {
    constexpr int kShellsWord = 128 + SIGKILL;  // of a child's signal
    return !ended_why_.empty() || report_.exit_signal == SIGKILL || report_.exit_code == kShellsWord;
  }

  // --- asked to end ---

  void watch() {
    progress_.read_file();
    if (checkpointer_ != nullptr) {
      checkpointer_->look(progress_.step());
      save_if_due();
    }
    take_requests();
    take_notice();
    const Millis now = parts_.clock.monotonic();
    // By both clocks: one that was set back must not prolong a bill.
    if (parts_.clock.now() >= spec_.expires || now >= expires_) {
      report_.expired = true;
      kill_job("its machine has expired");
    } else if (stopping_()) {
      kill_job("the agent was asked to end");
    } else if (drain_until_ && now >= *drain_until_) {
      kill_job("it did not stop within the grace and was killed");
    } else if (drain_until_ && !parts_.files.stat(folder_ + "/checkpoint.request").ok()) {
      (void)ask_job("stop");  // a job that took back a "save" just then may have taken this with it
    }
  }

  /// `checkpoint.every`: the job is asked; what it saves is then found and committed. A wish that was heard
  /// is taken back, so that a job that only looks whether there is one does not save for ever; one that was
  /// not stands until it is.
  void save_if_due() {
    const Millis now = parts_.clock.monotonic();
    const Millis every = spec_.checkpoint.every;
    const std::string request = folder_ + "/checkpoint.request";
    if (save_asked_ && !ended_) {
      const bool is_taken_back = !parts_.files.stat(request).ok();
      if (!is_taken_back && report_.committed == committed_when_asked_) { return; }
      save_asked_ = false;
      saved_at_ = now;
      (void)parts_.files.remove_all(request);
    }
    if (report_.phase == AgentPhase::running && every > Millis{0} && now - saved_at_ >= every) {
      ask_to_save();
    }
  }

  void ask_to_save() {
    if (ended_) { return; }
    save_asked_ = true;
    committed_when_asked_ = report_.committed;
    (void)ask_job("save");
  }

  void take_requests() {
    const Result<std::vector<FileInfo>> found = parts_.files.list(folder_ + "/requests", /*recursive=*/false);
    if (!found.ok()) { return; }
    for (const FileInfo& file : found.value()) {
      std::vector<std::string>& done = report_.done_requests;
      if (file.name.find(".tmp-") != std::string::npos ||
          std::find(done.begin(), done.end(), file.name) != done.end()) {
        continue;
      }
      const Result<std::string> text = parts_.files.read(folder_ + "/requests/" + file.name);
      if (!text.ok()) { continue; }
      done.push_back(file.name);
      const Result<AgentRequest> request = parse_agent_request(text.value());
      if (!request.ok()) { continue; }
      switch (request.value().verb) {
        case AgentVerb::checkpoint:
          ask_to_save();
          break;
        case AgentVerb::drain:
          drain(request.value().grace);
          break;
        case AgentVerb::kill:
          kill_job("it was killed on request");
          break;
      }
    }
  }

  void take_notice() {
    if (report_.notice_at) { return; }  // told once
    std::optional<Instant> until = notices_ ? notices_->notice() : std::nullopt;
    if (!until && !spec_.notice_path.empty()) {
      const Result<std::string> text = parts_.files.read(root_ + "/" + spec_.notice_path);
      const Result<Instant> told = text.ok() ? parse_notice(text.value()) : Result<Instant>(text.error());
      if (told.ok()) { until = told.value(); }
    }
    if (!until) { return; }
    report_.notice_at = parts_.clock.now();
    report_.notice_until = until;
    const Millis left = *until - parts_.clock.now() - seconds{1};
    drain(std::clamp(left, Millis{0}, spec_.checkpoint.grace));
  }

  /// "stop" or "save" in the file that the job's helper looks at.
  Status ask_job(const std::string& what) {
    return parts_.files.write_atomic(folder_ + "/checkpoint.request", what + "\n", 0644, /*durable=*/false);
  }

  void drain(Millis grace) {
    if (drain_until_) { return; }
    drain_until_ = parts_.clock.monotonic() + grace;
    ended_ = true;
    set_phase(AgentPhase::draining);
    (void)ask_job("stop");
    const int number = spec_.checkpoint.signal.empty() ? SIGTERM : signal_number(spec_.checkpoint.signal);
    for (const std::int64_t pid : tree()) {
      if (catches(pid, number)) { (void)parts_.processes.signal(pid, number); }
    }
  }

  /// Whether a process has a handler for the signal: it would end the others (bash, launchers) before the
  /// ranks have saved.
  bool catches(std::int64_t pid, int number) {
    const Result<std::string> status = parts_.files.read("/proc/" + std::to_string(pid) + "/status");
    if (!status.ok()) { return false; }
    const std::size_t at = status.value().find("SigCgt:");
    if (at == std::string::npos) { return false; }
    const std::uint64_t caught = std::strtoull(status.value().c_str() + at + 7, nullptr, 16);
    return ((caught >> static_cast<unsigned>(number - 1)) & 1U) != 0;
  }

  void kill_job(const std::string& why) {
    if (ended_why_.empty()) { ended_why_ = why; }
    ended_ = true;
    for (const std::int64_t pid : tree()) { (void)parts_.processes.signal(pid, SIGKILL); }
  }

  std::vector<std::int64_t> tree() { return parts_.processes.find_by_env(kCookie, cookie()); }

  /// Ends what the script left running: politely first, then surely.
  void end_tree(Millis polite) {
    const Millis until = parts_.clock.monotonic() + polite;
    bool asked = false;
    for (int round = 0; round < 400; ++round) {
      const std::vector<std::int64_t> left = tree();
      if (left.empty()) { return; }
      const bool force = parts_.clock.monotonic() >= until;
      for (const std::int64_t pid : left) {
        if (force || !asked) { (void)parts_.processes.signal(pid, force ? SIGKILL : SIGTERM); }
      }
      asked = true;
      parts_.clock.sleep_until(parts_.clock.now() + milliseconds{10});
    }
  }

  AgentParts parts_;
  std::string root_;
  std::string folder_;
  std::string workdir_;
  const std::function<bool()>& stopping_;
  Progress progress_;
  const std::function<void(std::string_view)> on_line_ = [this](std::string_view line) {
    progress_.read_line(line);
  };
  AgentSpec spec_ = {};
  AgentReport report_ = {};
  AgentReport written_ = {};
  Millis written_at_{0};
  OutputLog* output_ = nullptr;
  Checkpointer* checkpointer_ = nullptr;
  std::unique_ptr<NoticeWatch> notices_;
  Millis watched_at_{0};
  Millis expires_{0};   // by the clock that never jumps
  Millis saved_at_{0};  // when the job last saved on request, or the script began
  bool save_asked_ = false;
  std::string committed_when_asked_ = {};
  std::optional<Millis> disk_full_since_ = {};
  bool ended_ = false;          // drain or kill was asked for
  std::string ended_why_ = {};  // what ended it by force
  std::optional<Millis> drain_until_ = {};
};

}  // namespace

Status run_agent(AgentParts parts, const std::string& root, int attempt,
                 const std::function<bool()>& stopping) {
  return Agent(parts, root, attempt, stopping).run();
}

}  // namespace gpubroker
