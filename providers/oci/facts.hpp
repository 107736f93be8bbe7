#pragma once
#include "core/base/listing.hpp"

namespace gpubroker::oci {

/// Sets the GPU's words, form and memory from the shape's name, and what the estimator's data leave out or
/// get wrong of its machine: cores and memory of the newest shapes, Arm, NVLink, fabric. What is not known
/// here stays as it is.
void correct_shape(Listing& listing);

}  // namespace gpubroker::oci
