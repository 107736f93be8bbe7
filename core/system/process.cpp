#include "core/system/process.hpp"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <time.h>
#include <unistd.h>

#ifdef __APPLE__
#include <mach-o/dyld.h>
#endif

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <filesystem>

#include "core/base/text.hpp"
#include "core/system/descriptor.hpp"
#include "core/system/errors.hpp"
#include "core/system/spawn.hpp"

namespace gpubroker {
namespace {

constexpr std::size_t kKept = 16U << 20U;   // of each output of run()
constexpr std::size_t kPiece = 1U << 20U;   // of one read_output()
constexpr std::size_t kChunk = 64U << 10U;  // a pipe's whole buffer on Linux
constexpr int kLongestPause = 20;           // ms between two looks at a child

Millis monotonic_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return Millis{std::int64_t{now.tv_sec} * 1'000 + now.tv_nsec / 1'000'000};
}

Status set_non_blocking(int fd) {
  if (::fcntl(fd, F_SETFL, O_NONBLOCK) != 0) { return system_error(errno, "cannot set up", "a pipe"); }
  return Ok{};
}

/// Our end of one output of a running command.
struct Stream {
  Fd fd = {};
  std::string kept = {};

  /// Reads what is there, up to a bound: what a program left in the background may write for ever. At the
  /// end of file closes `fd`.
  void drain() {
    std::string chunk(kChunk, '\0');
    for (std::size_t chunks = 0; fd && chunks < kKept / kChunk; ++chunks) {
      const ssize_t got = ::read(fd.get(), chunk.data(), chunk.size());
      if (got < 0 && errno == EINTR) { continue; }
      if (got < 0 && errno == EAGAIN) { return; }
      if (got <= 0) {
        fd.close();
        return;
      }
      // What does not fit is read all the same: a full pipe would stop the program.
      kept.append(chunk, 0, std::min(static_cast<std::size_t>(got), kKept - kept.size()));
    }
  }
};

/// Sleeps until one of the streams has something, or `pause` is over.
void wait_for_output(const Stream& out, const Stream& err, int pause) {
  std::array<pollfd, 2> watched = {
      {{out.fd.get(), POLLIN, 0}, {err.fd.get(), POLLIN, 0}}};  // -1 is passed over
  ::poll(watched.data(), watched.size(), pause);
}

Result<Fd> open_output(const std::string& path) {
  return open_file(path.empty() ? "/dev/null" : path, O_WRONLY | O_CREAT | O_APPEND, 0600);
}

std::string read_small(const std::string& path) {
  std::string bytes;
  const Result<Fd> file = open_file(path, O_RDONLY);
  if (!file.ok()) { return bytes; }
  std::array<char, 4096> chunk{};
  for (;;) {
    const ssize_t got = ::read(file.value().get(), chunk.data(), chunk.size());
    if (got < 0 && errno == EINTR) { continue; }
    if (got <= 0) { return bytes; }
    bytes.append(chunk.data(), static_cast<std::size_t>(got));
  }
}

/// Linux: a zombie has ended, though its pid still takes signals.
bool is_zombie(std::int64_t pid) {
  const std::string stat = read_small("/proc/" + std::to_string(pid) + "/stat");
  const std::size_t name_end = stat.rfind(')');  // the name itself may hold parentheses
  if (name_end == std::string::npos || name_end + 2 >= stat.size()) { return false; }
  const char state = stat[name_end + 2];
  return state == 'Z' || state == 'X';
}

/// Whether an environment ("A=1\0B=2\0") has this entry.
bool has_entry(const std::string& environment, const std::string& entry) {
  const std::vector<std::string> entries = split(environment, '\0');
  return std::find(entries.begin(), entries.end(), entry) != entries.end();
}

}  // namespace

Result<CommandResult> PosixProcesses::run(const Command& command, Millis timeout) {
  const Millis deadline = monotonic_now() + timeout;
  TRY(Fd input, standard_input(command));
  TRY(Pipe out_pipe, make_pipe());
  TRY(Pipe err_pipe, make_pipe());
  TRY([[maybe_unused]] const Ok out_set, set_non_blocking(out_pipe.read_end.get()));
  TRY([[maybe_unused]] const Ok err_set, set_non_blocking(err_pipe.read_end.get()));
  const StandardFds fds{input.get(), out_pipe.write_end.get(), err_pipe.write_end.get()};
  TRY(const pid_t pid, spawn(command, fds, Parentage::child));
  out_pipe.write_end.close();
  err_pipe.write_end.close();

  Stream out{std::move(out_pipe.read_end)};
  Stream err{std::move(err_pipe.read_end)};
  for (int pause = 1;; pause = std::min(pause * 2, kLongestPause)) {
    wait_for_output(out, err, pause);
    TRY(const std::optional<ProcessExit> end, wait_for(pid, /*block=*/false));
    out.drain();  // after the look: what the program wrote before its end is there by now
    err.drain();
    if (end) { return CommandResult{*end, std::move(out.kept), std::move(err.kept)}; }
    if (monotonic_now() >= deadline) {
      ::kill(-pid, SIGKILL);
      [[maybe_unused]] const auto reaped = wait_for(pid, /*block=*/true);
      return Error{.kind = ErrorKind::network,
                   .message = "'" + command.argv.front() + "' did not end within " + format_duration(timeout),
                   .code = "timeout",
                   .maybe_applied = true};
    }
  }
}

Result<Child> PosixProcesses::start(const Command& command, const std::string& output_path) {
  TRY(Fd input, standard_input(command));
  Child child;
  if (!output_path.empty()) {
    TRY(Fd output, open_output(output_path));
    TRY(const pid_t pid, spawn(command, {input.get(), output.get(), output.get()}, Parentage::child));
    child.pid = pid;
    return child;
  }
  TRY(Pipe pipe, make_pipe());
  TRY([[maybe_unused]] const Ok set, set_non_blocking(pipe.read_end.get()));
#ifdef F_SETPIPE_SZ
  // A job that writes much is not held up at every 64 KiB; where it is not allowed, it is.
  constexpr int kPipeBytes = 1 << 20;
  (void)::fcntl(pipe.read_end.get(), F_SETPIPE_SZ, kPipeBytes);
#endif
  const int output = pipe.write_end.get();
  TRY(const pid_t pid, spawn(command, {input.get(), output, output}, Parentage::child));
  child.pid = pid;
  child.output_fd = pipe.read_end.release();
  return child;
}

Result<std::int64_t> PosixProcesses::start_detached(const Command& command, const std::string& output_path) {
  TRY(Fd input, standard_input(command));
  TRY(Fd output, open_output(output_path));
  TRY(const pid_t pid, spawn(command, {input.get(), output.get(), output.get()}, Parentage::detached));
  return std::int64_t{pid};
}

Result<std::optional<ProcessExit>> PosixProcesses::poll(const Child& child) {
  return wait_for(static_cast<pid_t>(child.pid), /*block=*/false);
}

Result<std::optional<std::string>> PosixProcesses::read_output(const Child& child) {
  if (child.output_fd < 0) { return std::optional<std::string>(); }
  std::string bytes;
  std::string chunk(kChunk, '\0');
  while (bytes.size() < kPiece) {
    const ssize_t got = ::read(child.output_fd, chunk.data(), std::min(chunk.size(), kPiece - bytes.size()));
    if (got < 0 && errno == EINTR) { continue; }
    if (got < 0 && errno == EAGAIN) { break; }
    if (got < 0) {
      return system_error(errno, "cannot read", "the output of process " + std::to_string(child.pid));
    }
    if (got == 0) { return bytes.empty() ? std::optional<std::string>() : std::optional(std::move(bytes)); }
    bytes.append(chunk, 0, static_cast<std::size_t>(got));
  }
  return std::optional(std::move(bytes));
}

void PosixProcesses::release(Child& child) {
  if (child.output_fd >= 0) { ::close(child.output_fd); }
  child.output_fd = -1;
}

Status PosixProcesses::signal(std::int64_t pid, int signal) {
  if (pid == 0 || pid == -1 || pid != static_cast<pid_t>(pid)) {
    return Error{.kind = ErrorKind::invalid, .message = "no process is meant by pid " + std::to_string(pid)};
  }
  if (::kill(static_cast<pid_t>(pid), signal) == 0 || errno == ESRCH) { return Ok{}; }
  return Error{.kind = ErrorKind::invalid,
               .message = "cannot signal process " + std::to_string(pid) + ": " + errno_text(errno)};
}

bool PosixProcesses::is_alive(std::int64_t pid) {
  if (pid <= 0 || pid != static_cast<pid_t>(pid)) { return false; }
  if (::kill(static_cast<pid_t>(pid), 0) != 0 && errno != EPERM) { return false; }
  return !is_zombie(pid);
}

std::vector<std::int64_t> PosixProcesses::find_by_env(const std::string& name, const std::string& value) {
  // Linux alone has /proc; elsewhere nothing is found, and nodes run Linux.
  std::vector<std::int64_t> pids;
  const std::string entry = name + "=" + value;
  std::error_code failed;
  std::filesystem::directory_iterator process("/proc", failed);
  for (; !failed && process != std::filesystem::directory_iterator(); process.increment(failed)) {
    const std::optional<std::int64_t> pid = parse_int(process->path().filename().string());
    if (!pid || *pid == ::getpid()) { continue; }
    // Other users' processes cannot be read and are not ours.
    if (has_entry(read_small("/proc/" + std::to_string(*pid) + "/environ"), entry)) { pids.push_back(*pid); }
  }
  std::sort(pids.begin(), pids.end());
  return pids;
}

std::optional<std::string> PosixProcesses::env(const std::string& name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nothing in this program changes its environment.
  const char* const value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

Result<std::string> PosixProcesses::self_path() {
#ifdef __APPLE__
  std::string path(4096, '\0');
  auto size = static_cast<std::uint32_t>(path.size());
  if (::_NSGetExecutablePath(path.data(), &size) != 0) {
    return Error{.kind = ErrorKind::not_found, .message = "the path of the running program is not known"};
  }
  path.resize(path.find('\0'));
#else
  std::error_code failed;
  std::string path = std::filesystem::read_symlink("/proc/self/exe", failed).string();
  if (failed) { return system_error(failed.value(), "cannot read", "/proc/self/exe"); }
  // A new build in the same place: the old program's name ends so, and the new one is what must be started
  // now.
  constexpr std::string_view kDeleted = " (deleted)";
  if (path.size() > kDeleted.size() && path.substr(path.size() - kDeleted.size()) == kDeleted &&
      ::access(path.c_str(), F_OK) != 0) {
    path.resize(path.size() - kDeleted.size());
  }
#endif
  if (::access(path.c_str(), X_OK) != 0) { return system_error(errno, "cannot run", path); }
  return path;
}

std::int64_t PosixProcesses::self_pid() {
  return ::getpid();
}

}  // namespace gpubroker
