#include "cmd/kept_log.hpp"

#include "core/base/text.hpp"

namespace gpubroker {

KeptLog::KeptLog(Files& files, Clock& clock, std::string path, std::int64_t most)
    : files_(files), clock_(clock), path_(std::move(path)), half_(most / 2) {}

std::int64_t KeptLog::size() {
  const Result<FileInfo> info = files_.stat(path_);
  return info.ok() ? info.value().size : 0;
}

std::int64_t KeptLog::offset() {
  const Result<std::string> text = files_.read(path_ + ".offset");
  return text.ok() ? parse_int(trim(text.value())).value_or(0) : 0;
}

void KeptLog::set_offset(std::int64_t offset) {
  (void)files_.write_atomic(path_ + ".offset", std::to_string(offset), 0600, /*durable=*/false);
}

std::int64_t KeptLog::position() {
  return size() + offset();
}

void KeptLog::keep(const SupervisorParts::OutputPiece& piece) {
  if (size() + static_cast<std::int64_t>(piece.bytes.size()) > half_) {
    const std::int64_t moved = size();
    if (files_.rename(path_, path_ + ".1").ok()) { set_offset(offset() + moved); }
  }
  if (piece.lost > 0) {
    const std::string word = format_utc(clock_.now()) + " gpubroker " + std::to_string(piece.lost) +
                             " bytes of output were lost: the job wrote faster than they were fetched\n";
    if (files_.append(path_, word).ok()) {
      set_offset(offset() + piece.lost - static_cast<std::int64_t>(word.size()));
    }
  }
  if (!piece.bytes.empty()) { (void)files_.append(path_, piece.bytes); }
}

}  // namespace gpubroker
