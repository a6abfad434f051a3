// From the blocks of a packed JPEG to samples.
#pragma once

#include <cstddef>
#include <cstdint>

#include "jpeg/scan.hpp"

namespace imnet {

struct UnpackStream {  // one interval
  const uint8_t* next = nullptr;
  const uint8_t* end = nullptr;  // kPackedPadding bytes after it must be readable
  int predictions[kMaxComponents] = {};
};

// Makes the samples of the MCUs of a run from plan.first_column on, and steps over those before;
// the tables of `plan` are not used. False where the data is damaged: too many wide values, or an
// end too early.
using UnpackFunction = bool (*)(ScanPlan& plan, UnpackStream& stream, const ScanRun& run);

bool unpack_scalar(ScanPlan& plan, UnpackStream& stream, const ScanRun& run);
bool unpack_avx2(ScanPlan& plan, UnpackStream& stream, const ScanRun& run);
// For processors whose PDEP is slow: only the transform has vectors.
bool unpack_avx2_without_pdep(ScanPlan& plan, UnpackStream& stream, const ScanRun& run);
bool unpack_avx512(ScanPlan& plan, UnpackStream& stream, const ScanRun& run);
bool unpack_neon(ScanPlan& plan, UnpackStream& stream, const ScanRun& run);

}  // namespace imnet
