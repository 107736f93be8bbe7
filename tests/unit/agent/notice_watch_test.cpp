#include "core/agent/notice_watch.hpp"

#include <deque>
#include <future>
#include <thread>

#include <doctest/doctest.h>

namespace gpubroker {
namespace {

using Sight = Result<std::optional<Instant>>;

constexpr Instant kGoes{1'800'000'090'000};

/// Time that only the watch's own thread moves, by sleeping.
class SleptClock final : public Clock {
 public:
  Instant now() override { return {1'800'000'000'000 + passed_.load()}; }
  Millis monotonic() override { return Millis{passed_.load()}; }
  void sleep_until(Instant at) override {
    passed_ = std::max(passed_.load(), at.ms - 1'800'000'000'000);
    std::this_thread::yield();
  }

 private:
  std::atomic<std::int64_t> passed_{0};
};

/// Tells what it is given, one after the other, then the last again.
class ToldSource final : public NoticeSource {
 public:
  ToldSource(std::deque<Sight> sights, Clock& clock, std::vector<Millis>& looks, std::promise<void>& last)
      : sights_(std::move(sights)), clock_(clock), looks_(looks), last_(last) {}
  Sight look() override {
    looks_.push_back(clock_.monotonic());
    Sight sight = sights_.front();
    if (sights_.size() > 1) {
      sights_.pop_front();
    } else if (!told_) {
      told_ = true;
      last_.set_value();
    }
    return sight;
  }

 private:
  std::deque<Sight> sights_;
  Clock& clock_;
  std::vector<Millis>& looks_;
  std::promise<void>& last_;
  bool told_ = false;
};

TEST_CASE("notice watch: nobody to ask is no notice") {
  SleptClock clock;
  NoticeWatch watch(nullptr, clock);
  CHECK_FALSE(watch.notice().has_value());
}

TEST_CASE(
    "notice watch: what fails is asked again, once a second, until there is a notice; it is asked no more "
    "then") {
  SleptClock clock;
  std::vector<Millis> looks;
  std::promise<void> last;
  {
    NoticeWatch watch(std::make_unique<ToldSource>(
                          std::deque<Sight>{std::optional<Instant>{},
                                            Error{.kind = ErrorKind::network, .message = "no answer"},
                                            std::optional<Instant>{}, std::optional(kGoes)},
                          clock, looks, last),
                      clock);
    last.get_future().wait();
    while (!watch.notice()) { std::this_thread::yield(); }
    CHECK(watch.notice() == kGoes);
  }  // its thread is over: the looks may be read
  CHECK(looks == std::vector<Millis>{Millis{0}, Millis{1'000}, Millis{2'000}, Millis{3'000}});
}

TEST_CASE("notice watch: leaving does not wait for a notice") {
  SleptClock clock;
  std::vector<Millis> looks;
  std::promise<void> last;
  {
    const NoticeWatch watch(
        std::make_unique<ToldSource>(std::deque<Sight>{std::optional<Instant>{}}, clock, looks, last), clock);
    last.get_future().wait();
  }
  CHECK_FALSE(looks.empty());
}

}  // namespace
}  // namespace gpubroker
