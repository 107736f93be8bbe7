#include "core/base/error.hpp"

#include <array>
#include <memory>
#include <set>
#include <vector>

#include <doctest/doctest.h>

#include "core/base/result.hpp"

namespace gpubroker {
namespace {

struct KindCase {
  ErrorKind kind;
  std::string_view name;
  int exit;
};
constexpr std::array kKinds = {
    KindCase{ErrorKind::capacity, "capacity", 5}, KindCase{ErrorKind::quota, "quota", 4},
    KindCase{ErrorKind::auth, "auth", 3},         KindCase{ErrorKind::throttled, "throttled", 7},
    KindCase{ErrorKind::invalid, "invalid", 2},   KindCase{ErrorKind::not_found, "not_found", 2},
    KindCase{ErrorKind::conflict, "conflict", 7}, KindCase{ErrorKind::network, "network", 7},
    KindCase{ErrorKind::internal, "internal", 8},
};

}  // namespace

TEST_CASE("each kind of error has its name, is read back from it, and has the documented exit code") {
  for (const KindCase& c : kKinds) {
    CAPTURE(c.name);
    CHECK(to_string(c.kind) == c.name);
    CHECK(error_kind_from(c.name) == c.kind);
    CHECK(exit_code(c.kind) == c.exit);
  }
  // The last one of the enumeration is the last one here: none was left out.
  CHECK(kKinds.size() == static_cast<std::size_t>(ErrorKind::internal) + 1);
}

TEST_CASE("each scope has its name and is read back from it") {
  const std::vector<std::pair<ErrorScope, std::string_view>> all = {{ErrorScope::request, "request"},
                                                                    {ErrorScope::offer, "offer"},
                                                                    {ErrorScope::zone, "zone"},
                                                                    {ErrorScope::region, "region"},
                                                                    {ErrorScope::account, "account"}};
  for (const auto& [scope, name] : all) {
    CHECK(to_string(scope) == name);
    CHECK(error_scope_from(name) == scope);
  }
}

TEST_CASE("names that are none are nothing") {
  for (const char* name : {"", "Capacity", "capacity ", "not found", "0"}) {
    CAPTURE(name);
    CHECK_FALSE(error_kind_from(name));
    CHECK_FALSE(error_scope_from(name));
  }
}

TEST_CASE("an error of nobody's making is internal, rules out nothing but the request and was not applied") {
  const Error error{.message = "x"};
  CHECK(error.kind == ErrorKind::internal);
  CHECK(error.scope == ErrorScope::request);
  CHECK_FALSE(error.maybe_applied);
  CHECK_FALSE(error.retry_after);
}

namespace {

Result<int> half(int number) {
  if (number % 2 != 0) { return Error{.kind = ErrorKind::invalid, .message = "odd"}; }
  return number / 2;
}
Result<int> quarter(int number) {
  TRY(const int once, half(number));
  TRY(const int twice, half(once));
  return twice;
}
Result<std::unique_ptr<int>> boxed(int number) {
  TRY(std::unique_ptr<int> box, Result<std::unique_ptr<int>>(std::make_unique<int>(number)));
  return box;
}

}  // namespace

TEST_CASE("TRY unwraps a value, passes an error up, and moves what cannot be copied") {
  REQUIRE(quarter(12).ok());
  CHECK(quarter(12).value() == 3);
  REQUIRE_FALSE(quarter(6).ok());
  CHECK(quarter(6).error().message == "odd");
  CHECK_FALSE(static_cast<bool>(quarter(7)));
  REQUIRE(boxed(7).ok());
  CHECK(*boxed(7).value() == 7);
}

/// Counts how many of it live.
struct Counted {
  explicit Counted(int n) : number(n) { ++alive; }
  Counted(const Counted& other) : number(other.number) { ++alive; }
  Counted(Counted&& other) noexcept : number(other.number) { ++alive; }
  Counted& operator=(const Counted&) = delete;
  Counted& operator=(Counted&&) = delete;
  ~Counted() { --alive; }
  int number;
  static inline int alive = 0;
};

TEST_CASE("a result is copied, moved and assigned as what it holds, and ends it once") {
  {
    const Result<Counted> good(Counted(7));
    const Result<Counted> bad(Error{.kind = ErrorKind::quota, .message = "no more"});
    Result<Counted> one = good;
    Result<Counted> two = bad;
    CHECK(Counted::alive == 2);
    one = bad;
    two = good;
    CHECK(Counted::alive == 2);
    CHECK(one.error().message == "no more");
    CHECK(two.value().number == 7);
    one = std::move(two);
    CHECK(one.value().number == 7);
    const Result<Counted>& self = one;
    one = self;
    CHECK(one.value().number == 7);
    std::vector<Result<Counted>> many(20, bad);
    many.insert(many.begin(), 5, one);
    CHECK(many.at(4).value().number == 7);
    CHECK(many.at(5).error().kind == ErrorKind::quota);
  }
  CHECK(Counted::alive == 0);
  static_assert(!std::is_copy_constructible_v<Result<std::unique_ptr<int>>>);
  static_assert(std::is_nothrow_move_constructible_v<Result<std::string>>);
}

TEST_CASE("asking a result for what it does not hold is a mistake that tells the error") {
  const Result<int> bad(Error{.kind = ErrorKind::quota, .message = "no more"});
  CHECK_THROWS_WITH_AS(static_cast<void>(bad.value()), "value() of a failed Result: no more",
                       std::logic_error);
  const Result<int> good(1);
  CHECK_THROWS_AS(static_cast<void>(good.error()), std::logic_error);
}

}  // namespace gpubroker
