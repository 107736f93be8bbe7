#include "core/system/thread_pool.hpp"

#include <atomic>
#include <latch>

#include <doctest/doctest.h>

namespace gpubroker {
namespace {

TEST_CASE("thread pool: as many tasks at once as it may have threads, the others afterwards") {
  constexpr int kMost = 3;
  constexpr int kTasks = 9;
  std::atomic<int> now{0};
  std::atomic<int> most{0};
  std::latch first(kMost);  // passed only if so many run side by side
  std::latch all(kTasks);
  ThreadPool pool(kMost);
  for (int i = 0; i < kTasks; ++i) {
    pool.add([&, i] {
      const int running = ++now;
      for (int seen = most; seen < running && !most.compare_exchange_weak(seen, running);) {}
      if (i < kMost) { first.arrive_and_wait(); }
      --now;
      all.count_down();
    });
  }
  all.wait();
  CHECK(most == kMost);
}

TEST_CASE("thread pool: at its end what has begun is waited for, and the rest is dropped") {
  std::atomic<int> done{0};
  std::latch begun(1);
  {
    ThreadPool pool(1);
    pool.add([&] {
      begun.count_down();
      std::this_thread::sleep_for(std::chrono::milliseconds{50});
      ++done;
    });
    begun.wait();
    pool.add([&] { done += 100; });
  }
  CHECK(done == 1);
}

}  // namespace
}  // namespace gpubroker
