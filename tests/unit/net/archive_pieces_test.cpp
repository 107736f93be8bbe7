// Where a file is cut follows from what it holds.
#include "core/net/archive_pieces.hpp"

#include <fstream>
#include <set>

#include <doctest/doctest.h>

#include "core/system/files.hpp"
#include "core/wire/sha256.hpp"
#include "tests/temporary_folder.hpp"

namespace gpubroker {
namespace {

struct Desk {
  testing::TemporaryFolder folder = {};
  PosixFiles files = {};

  CutArchive cut(const std::string& bytes) {
    std::ofstream(folder / "x") << bytes;
    Result<CutArchive> archive = cut_archive(files, folder / "x");
    REQUIRE(archive.ok());
    return std::move(archive).value();
  }
};

std::string noise(std::size_t size) {
  std::string bytes(size, '\0');
  std::uint64_t state = 42;
  for (char& c : bytes) {
    state = state * 6364136223846793005ULL + 1442695040888963407ULL;
    c = static_cast<char>(state >> 56U);
  }
  return bytes;
}

TEST_CASE("pieces follow one another, hold what they say, and are of a bearable size") {
  Desk desk;
  for (const std::size_t size :
       {std::size_t{0}, std::size_t{1}, std::size_t{65'536}, std::size_t{5'000'000}}) {
    CAPTURE(size);
    const std::string bytes = noise(size);
    const CutArchive archive = desk.cut(bytes);
    CHECK(archive.sha256 == sha256_hex(bytes));
    std::int64_t at = 0;
    for (const ArchivePiece& piece : archive.pieces) {
      CHECK(piece.offset == at);
      CHECK(piece.size <= 1 << 20);
      CHECK((piece.size >= 64 << 10 || &piece == &archive.pieces.back()));
      CHECK(piece.sha256 == sha256_hex(std::string_view(bytes).substr(static_cast<std::size_t>(at),
                                                                      static_cast<std::size_t>(piece.size))));
      at += piece.size;
    }
    CHECK(at == static_cast<std::int64_t>(size));
  }
  CHECK(desk.cut(std::string(3 << 20, 'x')).pieces.size() == 3);  // no place is better than another
}

TEST_CASE("what changes in one place leaves the pieces of the others") {
  Desk desk;
  const std::string before = noise(20'000'000);
  std::set<std::string> known;
  for (const ArchivePiece& piece : desk.cut(before).pieces) { known.insert(piece.sha256); }
  CHECK(known.size() > 40);
  CHECK(known.size() < 120);
  const auto news = [&](const std::string& after) {
    std::size_t count = 0;
    for (const ArchivePiece& piece : desk.cut(after).pieces) { count += 1 - known.count(piece.sha256); }
    return count;
  };
  CHECK(news(before) == 0);
  CHECK(news("x" + before) <= 2);
  CHECK(news(before + "x") == 1);
  CHECK(news(before.substr(0, 9'000'000) + "more" + before.substr(9'000'000)) <= 2);
  CHECK(news(before.substr(0, 9'000'000) + before.substr(9'500'000)) <= 2);
}

TEST_CASE("a file that is not there") {
  PosixFiles files;
  CHECK(cut_archive(files, "/nowhere/x").error().kind == ErrorKind::not_found);
}

}  // namespace
}  // namespace gpubroker
