#include "core/system/thread_pool.hpp"

namespace gpubroker {

ThreadPool::~ThreadPool() {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    closing_ = true;
    tasks_.clear();
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) { thread.join(); }
}

void ThreadPool::add(std::function<void()> task) {
  {
    const std::lock_guard<std::mutex> hold(mutex_);
    tasks_.push_back(std::move(task));
    if (tasks_.size() > idle_ && threads_.size() < most_) {
      threads_.emplace_back([this] { work(); });
    }
  }
  wake_.notify_one();
}

void ThreadPool::work() {
  while (true) {
    std::function<void()> task;
    {
      std::unique_lock<std::mutex> hold(mutex_);
      ++idle_;
      wake_.wait(hold, [this] { return closing_ || !tasks_.empty(); });
      --idle_;
      if (closing_) { return; }
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task();
  }
}

}  // namespace gpubroker
