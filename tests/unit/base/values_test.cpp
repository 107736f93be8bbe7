// The small values without a file of code: secrets, ids, handles.
#include <concepts>
#include <ostream>

#include <doctest/doctest.h>

#include "core/base/c_handle.hpp"
#include "core/base/ids.hpp"
#include "core/base/log.hpp"
#include "core/base/resources.hpp"
#include "core/base/secret.hpp"

namespace gpubroker {
namespace {

template <class T>
concept Printable = requires(std::ostream& out, const T& value) {
  out << value;
};
template <class T>
concept Comparable = requires(const T& a, const T& b) {
  a == b;
};

static_assert(Printable<std::string>);
static_assert(!Printable<Secret>, "a secret has no stream operator");
static_assert(!std::convertible_to<Secret, std::string>, "and no conversion");
static_assert(!std::convertible_to<Secret, std::string_view>);
static_assert(!std::convertible_to<Secret, const char*>);
static_assert(!std::convertible_to<std::string, Secret>, "nor does a text become one unnoticed");
static_assert(!std::constructible_from<LogField, std::string_view, Secret>, "it is no field of a log line");

static_assert(!std::convertible_to<NodeId, WorkloadId>, "ids of different things cannot be mixed up");
static_assert(Comparable<NodeId>);

int released = 0;
void release(int* handle) {
  released += *handle;
}

}  // namespace

TEST_CASE("a secret shows itself only where it is revealed") {
  const Secret secret("hunter2");
  CHECK(to_string(secret) == "[secret]");
  CHECK(to_string(Secret{}) == "[secret]");  // not even whether there is one
  CHECK(secret.reveal() == "hunter2");
  CHECK_FALSE(secret.empty());
  CHECK(Secret{}.empty());
}

TEST_CASE("a C handle is released once, by its last owner") {
  int number = 7;
  released = 0;
  {
    CHandle<int, release> first(&number);
    CHandle<int, release> second = std::move(first);
    CHECK(released == 0);
  }
  CHECK(released == 7);
  { const CHandle<int, release> none; }
  CHECK(released == 7);
}

TEST_CASE("a need that says nothing asks for any machine on demand, whatever it costs") {
  const ResourceNeed need;
  CHECK(need.gpu.count == 0);
  CHECK(need.markets == std::vector<Market>{Market::on_demand});
  CHECK_FALSE(need.max_price);
  CHECK_FALSE(need.max_price_per_gpu);
  CHECK_FALSE(need.cpus);
}

}  // namespace gpubroker
