#pragma once
#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace gpubroker {

/// A bounded number of threads for blocking calls, each made when it is first needed. At its end what has not
/// begun is dropped, and what has is waited for.
class ThreadPool {
 public:
  explicit ThreadPool(std::size_t most) : most_(most) {}
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;
  ~ThreadPool();

  /// From any thread; never waits for the task.
  void add(std::function<void()> task);

 private:
  void work();

  std::mutex mutex_ = {};
  std::condition_variable wake_ = {};
  std::deque<std::function<void()>> tasks_ = {};
  std::size_t most_;
  std::size_t idle_ = 0;
  bool closing_ = false;
  std::vector<std::thread> threads_ = {};
};

}  // namespace gpubroker
