#include "core/system/spawn.hpp"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#ifdef __linux__
#include <sys/mman.h>
#include <sys/syscall.h>
#endif

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <string_view>

#include "core/system/errors.hpp"

// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): POSIX's own, and ours to declare.
extern char** environ;

namespace gpubroker {
namespace {

/// What the new process tells its maker through a pipe that closes when the program is loaded.
enum class Step : int { born, session, folder, files, program };
struct Note {
  Step step = Step::born;
  int value = 0;  // born: the pid; else the errno
};

/// Everything a new process needs, made before the fork: after it, memory may not be allocated.
struct Launch {
  const char* program = nullptr;
  const char* cwd = nullptr;
  char* const* argv = nullptr;
  char* const* env = nullptr;
  StandardFds fds = {};
  int note_fd = -1;
};

void tell(const Launch& launch, Step step, int value) {
  const Note note{step, value};
  // A failed write has nobody left to hear of it.
  [[maybe_unused]] const int lost =
      write_all(launch.note_fd, static_cast<const char*>(static_cast<const void*>(&note)), sizeof note);
}

[[noreturn]] void give_up(const Launch& launch, Step step) {
  tell(launch, step, errno);
  ::_exit(127);
}

/// Signals that we ignore or block would stay so in the program: SIGPIPE in a shell's `yes | head`, for one.
void reset_signals() {
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  for (int signal = 1; signal < 32; ++signal) { ::sigaction(signal, &standard, nullptr); }
  sigset_t none;
  ::sigemptyset(&none);
  // NOLINTNEXTLINE(concurrency-mt-unsafe): the new process has one thread.
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

/// Ours are all closed on exec; this is for those of libraries that forgot.
void close_others_on_exec() {
#if defined(__linux__) && defined(SYS_close_range)
  constexpr unsigned kOnExec = 4;  // CLOSE_RANGE_CLOEXEC, Linux 5.11
  if (::syscall(SYS_close_range, 3U, ~0U, kOnExec) == 0) { return; }
#endif
  constexpr int kPlenty = 4096;
  for (int fd = STDERR_FILENO + 1; fd < kPlenty; ++fd) { ::fcntl(fd, F_SETFD, FD_CLOEXEC); }
}

/// Runs in the new process, so it calls only what is safe after the fork of a program with threads.
[[noreturn]] void become(const Launch& launch) {
  if (::setsid() < 0) { give_up(launch, Step::session); }
  if (launch.cwd != nullptr && ::chdir(launch.cwd) != 0) { give_up(launch, Step::folder); }
  if (::dup2(launch.fds.in, STDIN_FILENO) < 0 || ::dup2(launch.fds.out, STDOUT_FILENO) < 0 ||
      ::dup2(launch.fds.err, STDERR_FILENO) < 0) {
    give_up(launch, Step::files);
  }
  close_others_on_exec();
  reset_signals();
  // ETXTBSY: another thread's child still holds the program's file open for writing from just before its own
  // exec.
  for (int tries = 0; tries < 100; ++tries) {
    ::execve(launch.program, launch.argv, launch.env);
    if (errno != ETXTBSY) { break; }
    const timespec pause{0, 2'000'000};
    ::nanosleep(&pause, nullptr);
  }
  give_up(launch, Step::program);
}

/// Forks with all signals blocked, so that no handler of ours runs in the new process.
pid_t fork_quietly(const Launch& launch, Parentage parentage) {
  sigset_t all;
  sigset_t before;
  ::sigfillset(&all);
  ::pthread_sigmask(SIG_SETMASK, &all, &before);
  const pid_t pid = ::fork();
  if (pid == 0 && parentage == Parentage::child) { become(launch); }
  if (pid == 0) {
    const pid_t grandchild = ::fork();
    if (grandchild == 0) { become(launch); }
    if (grandchild < 0) { give_up(launch, Step::session); }
    tell(launch, Step::born, grandchild);
    ::_exit(0);
  }
  const int failed = errno;
  ::pthread_sigmask(SIG_SETMASK, &before, nullptr);
  errno = failed;
  return pid;
}

std::vector<std::string> environment_of(const Command& command) {
  std::map<std::string, std::string> all = command.env;
  if (command.inherit_env) {
    for (char** entry = environ; entry != nullptr && *entry != nullptr; ++entry) {
      const std::string_view text = *entry;
      const std::size_t equals = text.find('=');
      if (equals == std::string_view::npos) { continue; }
      all.emplace(text.substr(0, equals), text.substr(equals + 1));  // keeps what the command sets itself
    }
  }
  std::vector<std::string> lines;
  lines.reserve(all.size());
  for (const auto& [name, value] : all) {
    std::string& line = lines.emplace_back(name);
    line += '=';
    line += value;
  }
  return lines;
}

std::vector<char*> pointers_to(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  pointers.reserve(texts.size() + 1);
  for (std::string& text : texts) { pointers.push_back(text.data()); }
  pointers.push_back(nullptr);
  return pointers;
}

Error cannot_run(const std::string& program, int error_number) {
  const bool missing = error_number == ENOENT || error_number == ENOTDIR;
  return {.kind = missing ? ErrorKind::not_found : ErrorKind::invalid,
          .message = "cannot run '" + program + "': " + errno_text(error_number)};
}

/// The file of argv[0], searched on the PATH that the program itself will see.
Result<std::string> find_program(const Command& command, const std::vector<std::string>& env) {
  if (command.argv.empty() || command.argv.front().empty()) {
    return Error{.kind = ErrorKind::invalid, .message = "an empty command cannot be run"};
  }
  const std::string& name = command.argv.front();
  if (name.find('/') != std::string::npos) { return name; }
  std::string path = "/usr/local/bin:/usr/bin:/bin";
  for (const std::string& line : env) {
    if (line.rfind("PATH=", 0) == 0) { path = line.substr(5); }
  }
  int failed = ENOENT;
  for (std::size_t start = 0; start <= path.size();) {
    const std::size_t end = std::min(path.find(':', start), path.size());
    const std::string folder = path.substr(start, end - start);
    const std::string file = (folder.empty() ? "." : folder) + "/" + name;
    struct ::stat info {};
    if (::stat(file.c_str(), &info) == 0 && S_ISREG(info.st_mode)) {
      if (::access(file.c_str(), X_OK) == 0) { return file; }
      failed = EACCES;
    }
    start = end + 1;
  }
  return cannot_run(name, failed);
}

/// What the notes say: the pid that runs, or why none does. Ends when the last writer has loaded its program
/// or died.
Result<pid_t> hear(const Fd& notes, pid_t pid, const Command& command) {
  std::optional<Error> error;
  Note note;
  for (;;) {
    const ssize_t got = ::read(notes.get(), &note, sizeof note);  // whole: pipes do not split so few bytes
    if (got < 0 && errno == EINTR) { continue; }
    if (got != static_cast<ssize_t>(sizeof note)) { break; }
    switch (note.step) {
      case Step::born:
        pid = note.value;
        break;
      case Step::folder:
        error = cannot_run("cd " + command.cwd, note.value);
        break;
      case Step::program:
        error = cannot_run(command.argv.front(), note.value);
        break;
      case Step::session:
      case Step::files:
        error = Error{.message = "cannot start '" + command.argv.front() + "': " + errno_text(note.value)};
        break;
    }
  }
  if (error) { return *error; }
  return pid;
}

}  // namespace

Result<pid_t> spawn(const Command& command, const StandardFds& fds, Parentage parentage) {
  std::vector<std::string> env = environment_of(command);
  std::vector<std::string> argv = command.argv;
  TRY(const std::string program, find_program(command, env));
  TRY(Pipe notes, make_pipe());
  const std::vector<char*> argv_pointers = pointers_to(argv);
  const std::vector<char*> env_pointers = pointers_to(env);
  const Launch launch{.program = program.c_str(),
                      .cwd = command.cwd.empty() ? nullptr : command.cwd.c_str(),
                      .argv = argv_pointers.data(),
                      .env = env_pointers.data(),
                      .fds = fds,
                      .note_fd = notes.write_end.get()};
  const pid_t forked = fork_quietly(launch, parentage);
  if (forked < 0) { return Error{.message = "cannot start '" + argv.front() + "': " + errno_text(errno)}; }
  notes.write_end.close();
  Result<pid_t> pid = hear(notes.read_end, forked, command);
  if (parentage == Parentage::detached || !pid.ok()) {
    [[maybe_unused]] const auto reaped = wait_for(forked, /*block=*/true);
  }
  if (pid.ok() && parentage == Parentage::detached && pid.value() == forked) {
    return Error{.message = "cannot start '" + argv.front() + "': it vanished while it was started"};
  }
  return pid;
}

Result<Fd> standard_input(const Command& command) {
  const std::string& bytes = command.stdin_bytes;
  if (!command.stdin_file.empty()) { return open_file(command.stdin_file, O_RDONLY); }
  if (bytes.empty()) { return open_file("/dev/null", O_RDONLY); }
#ifdef __linux__
  Fd file(::memfd_create("stdin", MFD_CLOEXEC));  // in memory alone: it may be a secret
  if (file && file.get() <= STDERR_FILENO) {
    file = Fd(::fcntl(file.get(), F_DUPFD_CLOEXEC, STDERR_FILENO + 1));
  }
#else
  std::string name = "/tmp/gpubroker-stdin-XXXXXX";
  Fd file(::mkstemp(name.data()));
  if (file) {
    ::unlink(name.c_str());
    ::fcntl(file.get(), F_SETFD, FD_CLOEXEC);
  }
#endif
  int failed = file ? write_all(file.get(), bytes.data(), bytes.size()) : errno;
  if (failed == 0 && ::lseek(file.get(), 0, SEEK_SET) != 0) { failed = errno; }
  if (failed != 0) { return system_error(failed, "cannot write", "standard input of a child"); }
  return file;
}

Result<std::optional<ProcessExit>> wait_for(pid_t pid, bool block) {
  int raw = 0;
  pid_t got = -1;
  do { got = ::waitpid(pid, &raw, block ? 0 : WNOHANG); } while (got < 0 && errno == EINTR);
  if (got < 0) {
    return Error{.kind = ErrorKind::not_found,
                 .message = "process " + std::to_string(pid) + " is no child of ours, or was reaped"};
  }
  std::optional<ProcessExit> end;
  if (got == pid && WIFEXITED(raw)) { end = ProcessExit{.code = WEXITSTATUS(raw)}; }
  if (got == pid && WIFSIGNALED(raw)) { end = ProcessExit{.signal = WTERMSIG(raw)}; }
  return end;
}

}  // namespace gpubroker
