#include "core/system/process.hpp"

#include <algorithm>
#include <csignal>
#include <fcntl.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

#include <doctest/doctest.h>

#include "core/base/text.hpp"
#include "core/system/files.hpp"
#include "tests/temporary_folder.hpp"
#include "tests/unit/system/eventually.hpp"

namespace gpubroker {
namespace {

using testing::eventually;
using testing::TemporaryFolder;

constexpr Millis kLong = std::chrono::seconds{20};

Command shell(const std::string& text) {
  return {.argv = {"sh", "-c", text}};
}

/// Everything a child says until its end of file.
std::string read_all(PosixProcesses& processes, const Child& child) {
  std::string said;
  CHECK(eventually([&] {
    const std::optional<std::string> bytes = processes.read_output(child).value();
    said += bytes.value_or("");
    return !bytes;
  }));
  return said;
}

/// The numbers that a script has written into a file, when it has written so many.
std::vector<std::int64_t> pids_in(const std::string& path, std::size_t count) {
  PosixFiles files;
  std::vector<std::int64_t> pids;
  CHECK(eventually([&] {
    pids.clear();
    for (const std::string& line : split(files.read(path).ok() ? files.read(path).value() : "", '\n')) {
      if (const std::optional<std::int64_t> pid = parse_int(line)) { pids.push_back(*pid); }
    }
    return pids.size() == count;
  }));
  return pids;
}

TEST_CASE("a run tells code, output and errors; a signal is told apart from a code") {
  PosixProcesses processes;
  const CommandResult done = processes.run(shell("echo out; echo err >&2; exit 137"), kLong).value();
  CHECK(done.exit == ProcessExit{.code = 137});
  CHECK(done.out == "out\n");
  CHECK(done.err == "err\n");
  const CommandResult killed = processes.run(shell("kill -9 $$"), kLong).value();
  CHECK(killed.exit == ProcessExit{.code = {}, .signal = SIGKILL});
}

TEST_CASE("standard input, folder and environment are as asked") {
  TemporaryFolder folder;
  PosixProcesses processes;
  const std::string input(300'000, 'i');  // more than a pipe holds
  CHECK(processes.run({.argv = {"cat"}, .stdin_bytes = input}, kLong).value().out == input);
  CHECK(processes.run({.argv = {"cat"}}, kLong).value().out.empty());
  CHECK(processes.run({.argv = {"pwd", "-P"}, .cwd = folder.path()}, kLong).value().out ==
        folder.path() + "\n");
  const CommandResult alone =
      processes
          .run({.argv = {"env"}, .env = {{"PATH", "/usr/bin:/bin"}, {"A", "b c"}}, .inherit_env = false},
               kLong)
          .value();
  CHECK(alone.out == "A=b c\nPATH=/usr/bin:/bin\n");
  const CommandResult inherited =
      processes.run({.argv = {"env"}, .env = {{"GB_TEST_A", "1"}}}, kLong).value();
  CHECK(inherited.out.find("GB_TEST_A=1\n") != std::string::npos);
  CHECK(inherited.out.find("PATH=") != std::string::npos);
  Child child = processes.start({.argv = {"cat"}, .stdin_bytes = "to a started one"}, "").value();
  CHECK(read_all(processes, child) == "to a started one");
  CHECK(eventually([&] { return processes.poll(child).value().has_value(); }));
  processes.release(child);
}

TEST_CASE("a run that takes too long ends with its whole group") {
  TemporaryFolder folder;
  PosixProcesses processes;
  const std::string pids = folder / "pids";
  const Result<CommandResult> late = processes.run(
      shell("echo $$ >> " + pids + "; sleep 1000 & echo $! >> " + pids + "; wait"), Millis{700});
  REQUIRE_FALSE(late.ok());
  CHECK(late.error().kind == ErrorKind::network);
  CHECK(late.error().code == "timeout");
  CHECK(late.error().maybe_applied);
  for (const std::int64_t pid : pids_in(pids, 2)) {
    CHECK(eventually([&] { return !processes.is_alive(pid); }));
  }
}

TEST_CASE("a run ends with its program, not with what that left in the background") {
  TemporaryFolder folder;
  PosixProcesses processes;
  const CommandResult done =
      processes.run(shell("sleep 1000 & echo $! > " + folder / "pid" + "; echo done"), kLong).value();
  CHECK(done.exit.code == 0);
  CHECK(done.out == "done\n");
  const std::int64_t left = pids_in(folder / "pid", 1).front();
  CHECK(processes.is_alive(left));
  CHECK(processes.signal(left, SIGKILL).ok());
  CHECK(eventually([&] { return !processes.is_alive(left); }));
}

TEST_CASE("output beyond the bound is read and dropped, so that the program can end") {
  PosixProcesses processes;
  const CommandResult done =
      processes.run(shell("head -c 40000000 /dev/zero; head -c 1000 /dev/zero >&2"), kLong).value();
  CHECK(done.exit.code == 0);
  CHECK(done.out.size() == std::size_t{16} << 20U);
  CHECK(done.err.size() == 1'000);
}

TEST_CASE("what cannot be started says what and why") {
  TemporaryFolder folder;
  PosixFiles files;
  PosixProcesses processes;
  REQUIRE(files.write_atomic(folder / "plain", "text", 0644, false).ok());
  struct Case {
    Command command;
    ErrorKind kind;
    std::string words;
  };
  const std::vector<Case> cases = {
      {{.argv = {"no-such-program-here"}}, ErrorKind::not_found, "no-such-program-here"},
      {{.argv = {folder / "nothing"}}, ErrorKind::not_found, folder / "nothing"},
      {{.argv = {folder / "plain"}}, ErrorKind::invalid, "Permission denied"},
      {{.argv = {"true"}, .cwd = folder / "nowhere"}, ErrorKind::not_found, folder / "nowhere"},
      {{.argv = {}}, ErrorKind::invalid, "empty command"},
  };
  for (const Case& one : cases) {
    CAPTURE(one.words);
    const std::vector<Error> errors = {processes.run(one.command, kLong).error(),
                                       processes.start(one.command, "").error(),
                                       processes.start_detached(one.command, folder / "log").error()};
    for (const Error& error : errors) {
      CHECK(error.kind == one.kind);
      CHECK(error.message.find(one.words) != std::string::npos);
    }
  }
  CHECK(processes.start({.argv = {"true"}}, folder / "plain/log").error().kind == ErrorKind::invalid);
}

TEST_CASE("a started child leads a session of its own, and is polled and read without waiting") {
  PosixProcesses processes;
  Child child = processes.start(shell("echo one; echo two >&2; read line; exit 7"), "").value();
  CHECK(read_all(processes, child) == "one\ntwo\n");
  CHECK_FALSE(processes.read_output(child).value().has_value());
  std::optional<ProcessExit> end;
  CHECK(eventually([&] {
    end = processes.poll(child).value();
    return end.has_value();
  }));
  CHECK(end == ProcessExit{.code = 7});
  CHECK_FALSE(processes.poll(child).ok());  // reaped
  processes.release(child);
  CHECK(child.output_fd == -1);
  processes.release(child);

  Child sleeper = processes.start({.argv = {"sleep", "1000"}}, "").value();
  CHECK(processes.poll(sleeper).value() == std::nullopt);
  CHECK(processes.read_output(sleeper).value() == std::string{});
  CHECK(processes.is_alive(sleeper.pid));
  CHECK(::getsid(static_cast<pid_t>(sleeper.pid)) == sleeper.pid);
  REQUIRE(processes.signal(-sleeper.pid, SIGTERM).ok());
  CHECK(eventually([&] { return !processes.is_alive(sleeper.pid); }));  // a zombie is not alive
  CHECK(processes.poll(sleeper).value() == ProcessExit{.code = {}, .signal = SIGTERM});
  CHECK(processes.signal(sleeper.pid, SIGTERM).ok());  // the gone succeeds
  processes.release(sleeper);
}

TEST_CASE("output to a file is appended, and readable by its owner alone") {
  TemporaryFolder folder;
  PosixFiles files;
  PosixProcesses processes;
  for (const char* text : {"echo first", "echo second >&2"}) {
    Child child = processes.start(shell(text), folder / "log").value();
    CHECK(child.output_fd == -1);
    CHECK_FALSE(processes.read_output(child).value().has_value());
    CHECK(eventually([&] { return processes.poll(child).value().has_value(); }));
  }
  CHECK(files.read(folder / "log").value() == "first\nsecond\n");
  CHECK(files.stat(folder / "log").value().mode == 0600);
}

TEST_CASE("signals that we ignore or block do not stay so in a child") {
  PosixProcesses processes;
  sigset_t blocked;
  sigset_t before;
  sigemptyset(&blocked);
  sigaddset(&blocked, SIGUSR2);
  REQUIRE(::pthread_sigmask(SIG_BLOCK, &blocked, &before) == 0);
  void (*const old)(int) = ::signal(SIGUSR1, SIG_IGN);
  Child first = processes.start({.argv = {"sleep", "1000"}}, "").value();
  Child second = processes.start({.argv = {"sleep", "1000"}}, "").value();
  ::signal(SIGUSR1, old);
  REQUIRE(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
  REQUIRE(processes.signal(first.pid, SIGUSR1).ok());
  REQUIRE(processes.signal(second.pid, SIGUSR2).ok());
  for (Child* child : {&first, &second}) {
    CHECK(eventually([&] { return !processes.is_alive(child->pid); }));
    (void)processes.signal(child->pid, SIGKILL);
    CHECK(eventually([&] { return processes.poll(*child).value().has_value(); }));
    processes.release(*child);
  }
}

TEST_CASE("no open file of ours reaches a child") {
  TemporaryFolder folder;
  PosixProcesses processes;
  constexpr int kFar = 200;  // a number that no shell takes for itself
  const int leaky = ::fcntl(STDIN_FILENO, F_DUPFD, kFar);
  REQUIRE(leaky >= kFar);
  const CommandResult seen =
      processes.run(shell("ls /proc/self/fd; test -e /proc/self/fd/" + std::to_string(leaky)), kLong).value();
  ::close(leaky);
  CHECK(seen.out.rfind("0\n1\n2\n", 0) == 0);
  CHECK(seen.exit.code == 1);
}

TEST_CASE("a detached program is nobody's child and outlives its maker") {
  TemporaryFolder folder;
  PosixProcesses processes;
  const std::string path = folder / "pid";
  const pid_t maker = ::fork();
  if (maker == 0) {
    const Result<std::int64_t> pid =
        processes.start_detached(shell("echo $$ > " + path + "; exec sleep 1000"), folder / "log");
    ::_exit(pid.ok() ? 0 : 1);
  }
  int status = 0;
  REQUIRE(::waitpid(maker, &status, 0) == maker);
  CHECK(WEXITSTATUS(status) == 0);
  const std::int64_t orphan = pids_in(path, 1).front();
  CHECK(processes.is_alive(orphan));
  CHECK(::getsid(static_cast<pid_t>(orphan)) == orphan);
  CHECK_FALSE(processes.poll({.pid = orphan}).ok());
  REQUIRE(processes.signal(-orphan, SIGKILL).ok());
  CHECK(eventually([&] { return !processes.is_alive(orphan); }));
}

TEST_CASE("processes are found by their environment, in whatever session they hide") {
  TemporaryFolder folder;
  PosixProcesses processes;
  const std::string& mark = folder.path();  // nobody else has it
  Command command = shell("echo $$ > " + folder / "pids" + "; setsid sh -c 'echo $$ >> " + folder / "pids" +
                          "; exec sleep 1000' & exec sleep 1000");
  command.env = {{"GB_TEST_MARK", mark}};
  Child child = processes.start(command, "").value();
  std::vector<std::int64_t> expected = pids_in(folder / "pids", 2);
  std::sort(expected.begin(), expected.end());
  std::vector<std::int64_t> found;
  CHECK(eventually([&] {
    found = processes.find_by_env("GB_TEST_MARK", mark);
    return found == expected;
  }));
  CHECK(processes.find_by_env("GB_TEST_MARK", mark.substr(1)).empty());
  CHECK(processes.find_by_env("TEST_MARK", mark).empty());
  for (const std::int64_t pid : found) { CHECK(processes.signal(pid, SIGKILL).ok()); }
  CHECK(eventually([&] { return processes.find_by_env("GB_TEST_MARK", mark).empty(); }));
  CHECK(eventually([&] { return processes.poll(child).value().has_value(); }));
  processes.release(child);
}

TEST_CASE("pids that would reach everybody are refused") {
  PosixProcesses processes;
  for (const std::int64_t pid : {std::int64_t{0}, std::int64_t{-1}, std::int64_t{1} << 40}) {
    CAPTURE(pid);
    CHECK(processes.signal(pid, 0).error().kind == ErrorKind::invalid);
    CHECK_FALSE(processes.is_alive(pid));
  }
  CHECK(processes.is_alive(processes.self_pid()));
  CHECK(processes.self_pid() == ::getpid());
  CHECK(processes.self_path().value().find("test_core_system") != std::string::npos);
  CHECK(processes.env("PATH").has_value());
  CHECK_FALSE(processes.env("GB_TEST_NOT_SET").has_value());
}

TEST_CASE("many threads may start programs at once") {
  PosixProcesses processes;
  std::atomic<int> good{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 6; ++i) {
    threads.emplace_back([&, i] {
      for (int n = 0; n < 10; ++n) {
        const std::string text = std::to_string(i * 100 + n);
        const Result<CommandResult> done = processes.run({.argv = {"echo", text}}, kLong);
        good += done.ok() && done.value().out == text + "\n" ? 1 : 0;
      }
    });
  }
  for (std::thread& thread : threads) { thread.join(); }
  CHECK(good == 60);
}

}  // namespace
}  // namespace gpubroker
