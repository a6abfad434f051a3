// The table of kernels: one function for each inner loop, chosen once for the processor. Every
// variant of a kernel writes the same bytes.
//
// This is the only place that asks what the processor has. Code that calls a kernel takes it from
// kernels(), once per image or per pass.
#pragma once

#include <string>
#include <vector>

#include "hash/compress.hpp"
#include "hash/crc32c.hpp"
#include "jpeg/color.hpp"
#include "jpeg/idct.hpp"
#include "jpeg/scan.hpp"
#include "jpeg/skip.hpp"
#include "jpeg/stuffing.hpp"
#include "jpeg/upsample.hpp"
#include "packed/encode.hpp"
#include "packed/pack.hpp"
#include "packed/unpack.hpp"
#include "pixels/normalize.hpp"
#include "resize/passes.hpp"

namespace imnet {

struct Kernels {
  const char* name;  // of the variant
  ScanFunction scan;
  ScanLanesFunction scan_lanes;
  IdctFunction idct;  // as `scan` has it within
  UnpackFunction unpack;
  PackFunction pack;
  EncodeFunction encode;
  SkipFunction skip;
  MarkerFunction next_marker;
  UnstuffFunction unstuff;
  StuffFunction stuff;
  const UpsampleRows* upsample;
  const ColorRows* color;
  const ResizePasses* resize;
  NormalizeFunction normalize;
  const Sha256Compress* sha256;  // [streams at once - 1]
  Crc32cFunction crc32c;
};

// The table in use: the best that this machine runs, until set_simd chooses another.
const Kernels& kernels() noexcept;

// All that this machine runs: the scalar one first, the best one last.
std::vector<const Kernels*> runnable_kernels();

// Throws std::invalid_argument where this machine does not run the variant of this name.
void set_simd(const std::string& name);

}  // namespace imnet
