#include "core/system/process.hpp"

#include <algorithm>
#include <cerrno>
#include <charconv>
#include <csignal>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <poll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/system/descriptor.hpp"
#include "core/system/errors.hpp"

// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): POSIX's own name of the environment.
extern char** environ;

namespace gpubroker {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMostKept = 16U << 20U;

struct Pipe {
  Fd reader;
  Fd writer;
};

Result<Pipe> make_pipe() {
  int ends[2] = {-1, -1};  // NOLINT(modernize-avoid-c-arrays): pipe2 wants one.
  if (::pipe2(ends, O_CLOEXEC) != 0) { return system_error(errno, "cannot make", "a pipe"); }
  return Pipe{Fd(ends[0]), Fd(ends[1])};
}

/// Everything the child needs, made before the fork: after it only async-signal-safe calls are allowed.
struct Prepared {
  std::string program;
  std::vector<std::string> arguments;
  std::vector<std::string> environment;
  std::vector<char*> argv;
  std::vector<char*> envp;
  std::string cwd;
};

std::string find_program(const std::string& name, const std::string& path) {
  if (name.find('/') != std::string::npos) { return name; }
  std::string_view rest = path;
  while (!rest.empty()) {
    const std::size_t colon = rest.find(':');
    const std::string candidate = std::string(rest.substr(0, colon)) + "/" + name;
    if (::access(candidate.c_str(), X_OK) == 0) { return candidate; }
    if (colon == std::string_view::npos) { break; }
    rest.remove_prefix(colon + 1);
  }
  return {};
}

Result<std::unique_ptr<Prepared>> prepare(const Command& command) {
  if (command.argv.empty()) { return Error{.kind = ErrorKind::invalid, .message = "an empty command"}; }
  auto ready = std::make_unique<Prepared>();
  std::map<std::string, std::string> environment;
  if (command.inherit_env) {
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
      const std::string_view text = *entry;
      const std::size_t equals = text.find('=');
      if (equals != std::string_view::npos) {
        environment[std::string(text.substr(0, equals))] = std::string(text.substr(equals + 1));
      }
    }
  }
  for (const auto& [name, value] : command.env) { environment[name] = value; }
  const auto path = environment.find("PATH");
  ready->program =
      find_program(command.argv.front(), path == environment.end() ? "/usr/bin:/bin" : path->second);
  if (ready->program.empty()) {
    return Error{.kind = ErrorKind::not_found,
                 .message = "no program called " + command.argv.front() + " on PATH"};
  }
  ready->arguments = command.argv;
  for (const auto& [name, value] : environment) { ready->environment.push_back(name + "=" + value); }
  for (std::string& text : ready->arguments) { ready->argv.push_back(text.data()); }
  for (std::string& text : ready->environment) { ready->envp.push_back(text.data()); }
  ready->argv.push_back(nullptr);
  ready->envp.push_back(nullptr);
  ready->cwd = command.cwd;
  return ready;
}

struct Streams {
  int in = -1;
  int out = -1;
  int err = -1;
};

/// In the child, after fork: never returns. What fails is told through `report` as errno.
[[noreturn]] void become(const Prepared& ready, const Streams& streams, int report) {
  const auto fail = [report] {
    const int number = errno;
    (void)!::write(report, &number, sizeof number);
    ::_exit(127);
  };
  // An ignored signal would stay ignored across exec: the job could never be asked to stop.
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (const int number : {SIGPIPE, SIGINT, SIGTERM, SIGHUP, SIGCHLD, SIGUSR1}) {
    (void)::sigaction(number, &standard, nullptr);
  }
  sigset_t none;
  sigemptyset(&none);
  (void)::sigprocmask(SIG_SETMASK, &none, nullptr);
  if (::dup2(streams.in, 0) < 0 || ::dup2(streams.out, 1) < 0 || ::dup2(streams.err, 2) < 0) { fail(); }
  if (!ready.cwd.empty() && ::chdir(ready.cwd.c_str()) != 0) { fail(); }
  ::execve(ready.program.c_str(), ready.argv.data(), ready.envp.data());
  fail();
  ::_exit(127);
}

/// Waits for the word of a child that execs: nothing when it did.
Status wait_for_exec(Pipe& report, const Prepared& ready) {
  report.writer.close();
  int number = 0;
  ssize_t got = 0;
  do { got = ::read(report.reader.get(), &number, sizeof number); } while (got < 0 && errno == EINTR);
  if (got != static_cast<ssize_t>(sizeof number)) { return Ok{}; }
  Error error = system_error(number, "cannot run", ready.program);
  if (error.kind == ErrorKind::internal) { error.kind = ErrorKind::invalid; }
  return error;
}

Result<std::int64_t> spawn(const Prepared& ready, const Streams& streams) {
  TRY(Pipe report, make_pipe());
  const pid_t pid = ::fork();
  if (pid < 0) { return system_error(errno, "cannot fork for", ready.program); }
  if (pid == 0) {
    ::setsid();
    become(ready, streams, report.writer.get());
  }
  if (Status started = wait_for_exec(report, ready); !started.ok()) {
    (void)::waitpid(pid, nullptr, 0);
    return started.error();
  }
  return static_cast<std::int64_t>(pid);
}

Result<Fd> open_output(const std::string& path) {
  Fd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  if (!fd) { return system_error(errno, "cannot open", path); }
  return fd;
}

Result<Fd> open_nothing() {
  Fd fd(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!fd) { return system_error(errno, "cannot open", "/dev/null"); }
  return fd;
}

ProcessExit decode_exit(int status) {
  if (WIFSIGNALED(status)) { return {.code = {}, .signal = WTERMSIG(status)}; }
  return {.code = WEXITSTATUS(status), .signal = {}};
}

void set_nonblocking(const Fd& fd) {
  (void)::fcntl(fd.get(), F_SETFL, O_NONBLOCK);
}

/// Reads what is there into `kept`, bounded; false at the end of file.
bool drain(const Fd& fd, std::string& kept) {
  char buffer[65536];  // NOLINT(modernize-avoid-c-arrays): a plain buffer.
  while (true) {
    const ssize_t got = ::read(fd.get(), buffer, sizeof buffer);
    if (got > 0) {
      const std::size_t room = kMostKept - std::min(kMostKept, kept.size());
      kept.append(buffer, std::min(room, static_cast<std::size_t>(got)));
      continue;
    }
    if (got < 0 && errno == EINTR) { continue; }
    return got < 0 && errno == EAGAIN;
  }
}

std::int64_t monotonic_ms() {
  timespec at{};
  ::clock_gettime(CLOCK_MONOTONIC, &at);
  return static_cast<std::int64_t>(at.tv_sec) * 1'000 + at.tv_nsec / 1'000'000;
}

/// Feeds and drains a running child until it closed its output, or the time is over.
bool pump(Fd& in, std::string_view bytes, const Fd& out, const Fd& err, CommandResult& result,
          Millis timeout) {
  const std::int64_t until = monotonic_ms() + timeout.count();
  bool out_open = true;
  bool err_open = true;
  while (out_open || err_open) {
    if (in && bytes.empty()) { in.close(); }
    pollfd waits[3] = {
        {out_open ? out.get() : -1, POLLIN, 0},  // NOLINT(modernize-avoid-c-arrays): poll wants one.
        {err_open ? err.get() : -1, POLLIN, 0},
        {in ? in.get() : -1, POLLOUT, 0}};
    const std::int64_t left = until - monotonic_ms();
    if (left <= 0) { return false; }
    (void)::poll(waits, 3, static_cast<int>(std::min<std::int64_t>(left, 1'000)));
    if (out_open && waits[0].revents != 0) { out_open = drain(out, result.out); }
    if (err_open && waits[1].revents != 0) { err_open = drain(err, result.err); }
    if (in && waits[2].revents != 0) {
      const ssize_t put = ::write(in.get(), bytes.data(), bytes.size());
      if (put > 0) { bytes.remove_prefix(static_cast<std::size_t>(put)); }
      if (put < 0 && errno != EAGAIN && errno != EINTR) { in.close(); }
    }
  }
  return true;
}

}  // namespace

Result<CommandResult> PosixProcesses::run(const Command& command, Millis timeout) {
  TRY(const std::unique_ptr<Prepared> ready, prepare(command));
  TRY(Pipe in, make_pipe());
  TRY(Pipe out, make_pipe());
  TRY(Pipe err, make_pipe());
  TRY(const std::int64_t pid, spawn(*ready, {in.reader.get(), out.writer.get(), err.writer.get()}));
  in.reader.close();
  out.writer.close();
  err.writer.close();
  set_nonblocking(in.writer);
  set_nonblocking(out.reader);
  set_nonblocking(err.reader);
  CommandResult result;
  const bool ended = pump(in.writer, command.stdin_bytes, out.reader, err.reader, result, timeout);
  if (!ended) { (void)::kill(static_cast<pid_t>(-pid), SIGKILL); }
  int status = 0;
  while (::waitpid(static_cast<pid_t>(pid), &status, 0) < 0 && errno == EINTR) {}
  if (!ended) {
    return Error{.kind = ErrorKind::network,
                 .message = command.argv.front() + " did not end within " + format_duration(timeout),
                 .code = "timeout",
                 .maybe_applied = true};
  }
  result.exit = decode_exit(status);
  return result;
}

Result<Child> PosixProcesses::start(const Command& command, const std::string& output_path) {
  TRY(const std::unique_ptr<Prepared> ready, prepare(command));
  TRY(const Fd nothing, open_nothing());
  if (!output_path.empty()) {
    TRY(const Fd output, open_output(output_path));
    TRY(const std::int64_t pid, spawn(*ready, {nothing.get(), output.get(), output.get()}));
    return Child{.pid = pid};
  }
  TRY(Pipe output, make_pipe());
  TRY(const std::int64_t pid, spawn(*ready, {nothing.get(), output.writer.get(), output.writer.get()}));
  set_nonblocking(output.reader);
#ifdef F_SETPIPE_SZ
  // A job that writes much is not held up at every 64 KiB; where it is not allowed, it is.
  constexpr int kPipeBytes = 1 << 20;
  (void)::fcntl(output.reader.get(), F_SETPIPE_SZ, kPipeBytes);
#endif
  return Child{.pid = pid, .output_fd = output.reader.release()};
}

Result<std::int64_t> PosixProcesses::start_detached(const Command& command, const std::string& output_path) {
  TRY(const std::unique_ptr<Prepared> ready, prepare(command));
  TRY(const Fd nothing, open_nothing());
  TRY(const Fd output, open_output(output_path));
  TRY(Pipe report, make_pipe());
  TRY(Pipe names, make_pipe());
  const pid_t middle = ::fork();
  if (middle < 0) { return system_error(errno, "cannot fork for", ready->program); }
  if (middle == 0) {
    // The one between leaves at once, so that the program belongs to init and is nobody's zombie.
    ::setsid();
    const pid_t pid = ::fork();
    if (pid == 0) {
      ::setsid();
      become(*ready, {nothing.get(), output.get(), output.get()}, report.writer.get());
    }
    const std::int64_t told = pid;
    (void)!::write(names.writer.get(), &told, sizeof told);
    ::_exit(0);
  }
  (void)::waitpid(middle, nullptr, 0);
  names.writer.close();
  std::int64_t pid = -1;
  (void)!::read(names.reader.get(), &pid, sizeof pid);
  if (pid <= 0) { return Error{.kind = ErrorKind::internal, .message = "cannot fork for " + ready->program}; }
  TRY([[maybe_unused]] const Ok started, wait_for_exec(report, *ready));
  return pid;
}

Result<std::optional<ProcessExit>> PosixProcesses::poll(const Child& child) {
  int status = 0;
  const pid_t got = ::waitpid(static_cast<pid_t>(child.pid), &status, WNOHANG);
  if (got == 0) { return std::optional<ProcessExit>{}; }
  if (got < 0) { return system_error(errno, "cannot wait for process", std::to_string(child.pid)); }
  return std::optional(decode_exit(status));
}

Result<std::optional<std::string>> PosixProcesses::read_output(const Child& child) {
  constexpr std::size_t kMost = 1U << 20U;
  char buffer[65536];  // NOLINT(modernize-avoid-c-arrays): a plain buffer.
  std::string bytes;
  while (bytes.size() < kMost) {
    const ssize_t got = ::read(child.output_fd, buffer, sizeof buffer);
    if (got > 0) {
      bytes.append(buffer, static_cast<std::size_t>(got));
      continue;
    }
    if (got < 0 && errno == EINTR) { continue; }
    if (got == 0 && bytes.empty()) { return std::optional<std::string>{}; }
    if (got < 0 && errno != EAGAIN) { return system_error(errno, "cannot read", "the job's output"); }
    break;
  }
  return std::optional(std::move(bytes));
}

void PosixProcesses::release(Child& child) {
  Fd(std::exchange(child.output_fd, -1)).close();
}

Status PosixProcesses::signal(std::int64_t pid, int signal) {
  if (::kill(static_cast<pid_t>(pid), signal) != 0 && errno != ESRCH) {
    return system_error(errno, "cannot signal process", std::to_string(pid));
  }
  return Ok{};
}

bool PosixProcesses::is_alive(std::int64_t pid) {
  if (::kill(static_cast<pid_t>(pid), 0) != 0 && errno == ESRCH) { return false; }
  // Linux: a zombie answers to signal 0. The state follows the program's name in parentheses.
  std::ifstream stat("/proc/" + std::to_string(pid) + "/stat");
  std::string text;
  if (!std::getline(stat, text)) { return fs::exists("/proc/self") ? false : true; }
  const std::size_t paren = text.rfind(')');
  return paren == std::string::npos || paren + 2 >= text.size() ||
         (text[paren + 2] != 'Z' && text[paren + 2] != 'X');
}

std::vector<std::int64_t> PosixProcesses::find_by_env(const std::string& name, const std::string& value) {
  const std::string wanted = name + "=" + value;
  std::vector<std::int64_t> found;
  std::error_code failed;
  for (fs::directory_iterator entry("/proc", failed), end; !failed && entry != end; entry.increment(failed)) {
    const std::string text = entry->path().filename().string();
    std::int64_t pid = 0;
    const auto parsed = std::from_chars(text.data(), text.data() + text.size(), pid);
    if (parsed.ec != std::errc{} || parsed.ptr != text.data() + text.size() || pid == ::getpid()) {
      continue;
    }
    std::ifstream file(entry->path() / "environ", std::ios::binary);
    std::string variable;
    while (std::getline(file, variable, '\0')) {
      if (variable == wanted) {
        found.push_back(pid);
        break;
      }
    }
  }
  std::sort(found.begin(), found.end());
  return found;
}

std::optional<std::string> PosixProcesses::env(const std::string& name) {
  // NOLINTNEXTLINE(concurrency-mt-unsafe): nobody calls setenv in this program.
  const char* const value = std::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>(value);
}

Result<std::string> PosixProcesses::self_path() {
  std::error_code failed;
  const fs::path path = fs::read_symlink("/proc/self/exe", failed);
  if (failed) { return system_error(failed.value(), "cannot read", "/proc/self/exe"); }
  return path.string();
}

std::int64_t PosixProcesses::self_pid() {
  return ::getpid();
}

}  // namespace gpubroker
