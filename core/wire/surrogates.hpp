#pragma once
#include <string_view>

namespace gpubroker {

/// Whether a JSON text has an escape that is the second half of a surrogate pair without the first
/// ("\\uDC00"): no letter. RapidJSON reads it, as bytes that are not UTF-8; of the first half alone it
/// complains itself.
bool has_stray_surrogate(std::string_view json);

}  // namespace gpubroker
