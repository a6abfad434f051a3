// The coded values of a block, to restore it.
#pragma once

#include <cstdint>

#include "packed/block.hpp"

namespace imnet {

// Reads a block; `coded` has 64 places and receives the value of each position in block.masks, as it
// is coded. Returns where wide values begin, or the next block. kPackedPadding bytes must be
// readable.
using ValuesFunction = const uint8_t* (*)(const uint8_t* next, PackedBlock& block, uint8_t* coded);

const uint8_t* values_scalar(const uint8_t* next, PackedBlock& block, uint8_t* coded);
const uint8_t* values_avx2(const uint8_t* next, PackedBlock& block, uint8_t* coded);

}  // namespace imnet
