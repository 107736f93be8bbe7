#include "core/system/errors.hpp"

#include <cerrno>
#include <system_error>

namespace gpubroker {

std::string errno_text(int number) {
  return std::generic_category().message(number);
}

Error system_error(int number, const std::string& deed, const std::string& path) {
  Error error{
      .kind = ErrorKind::internal, .message = deed + " " + path + ": " + errno_text(number), .source = path};
  switch (number) {
    case ENOENT:
      error.kind = ErrorKind::not_found;
      break;
    case ENOSPC:
    case EDQUOT:
    case EROFS:
      error.kind = ErrorKind::capacity;
      error.scope = ErrorScope::account;
      error.hint = number == EROFS ? "the file system is read-only" : "make room on this disk";
      break;
    case EACCES:
    case EPERM:
    case ENOTDIR:
    case EISDIR:
    case ELOOP:
    case ENAMETOOLONG:
      error.kind = ErrorKind::invalid;
      break;
    default:
      break;
  }
  return error;
}

}  // namespace gpubroker
