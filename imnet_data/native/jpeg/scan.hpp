// From entropy-coded data, already unstuffed, to samples.
#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/big_endian.hpp"
#include "jpeg/huffman.hpp"
#include "jpeg/idct.hpp"

namespace imnet {

// Bytes after the unstuffed data that may be read: the end is looked for after each MCU, and ten
// blocks of 64 symbols of at most 31 bits are less than this. The first of them must be 0, so that
// a code cut by the end is the same fault each time.
constexpr size_t kScanPadding = 4096;
constexpr size_t kScanZeros = 16;
// Bytes before it that may be read, though they do not count.
constexpr size_t kScanHeadroom = 8;

struct BitReader {
  const uint8_t* next = nullptr;
  uint64_t bits = 0;   // the next bits, first one on top
  uint64_t count = 0;  // how many of them are right; only its low 6 bits count
};

struct ScanBlock {  // one of the blocks of an MCU
  const DcTable* dc;
  const AcTable* ac;
  const int16_t* quant;  // in the order of jpeg/idct.hpp
  uint8_t* samples;      // of this block in the MCU at (row 0, column 0), if that were kept
  ptrdiff_t stride, column_step, row_step;
  int component;
};

// Blocks of an interval whose coefficients are read before they are transformed.
constexpr int kBlocksTogether = 16;

struct ScanPlan {
  int block_count = 0;
  ScanBlock blocks[kMaxBlocksInMcu];
  int first_column = 0, last_column = 0;  // of the MCUs whose samples are wanted
  alignas(64) int16_t coefficients[4][kBlockStride] = {};  // zero between runs
};

struct ScanStream {  // one restart interval, or all of a scan that has none
  BitReader reader;
  const uint8_t* end = nullptr;
  int predictions[kMaxComponents] = {};

  void start(const uint8_t* begin, const uint8_t* stop) {
    *this = ScanStream();
    reader.next = begin;
    end = stop;
  }
  // The same from a bit of the data on.
  void start(const uint8_t* begin, uint64_t bit, const uint8_t* stop) {
    start(begin + (bit >> 3), stop);
    reader.bits = load_big_endian(reader.next) << (bit & 7);
    reader.next += 7;
    reader.count = 56 - (bit & 7);
  }
  // Bits that were used beyond the end; 0 or less in sound data.
  ptrdiff_t overrun(const uint8_t* begin) const {
    return 8 * (reader.next - begin) - ptrdiff_t(reader.count & 63) - 8 * (end - begin);
  }
};

struct ScanRun {  // MCUs next to each other in a row
  int row = 0, column = 0, count = 0;
  bool wanted = false;  // false: no samples are made
};

// False where the data is damaged: a code that is not in its table, a block of more than 64
// coefficients, or an end too early.
using ScanFunction = bool (*)(ScanPlan& plan, ScanStream& stream, const ScanRun& run);

struct ScanJob {  // all of a restart interval, or its beginning
  ScanStream stream;
  ScanRun run;
};

// The same for several of them. Where it returns false, neither the samples nor the streams are
// defined.
using ScanLanesFunction = bool (*)(ScanPlan& plan, ScanJob* jobs, int count);

bool scan_lanes_scalar(ScanPlan& plan, ScanJob* jobs, int count);
bool scan_lanes_avx2(ScanPlan& plan, ScanJob* jobs, int count);
bool scan_lanes_avx512(ScanPlan& plan, ScanJob* jobs, int count);
bool scan_lanes_neon(ScanPlan& plan, ScanJob* jobs, int count);

bool scan_scalar(ScanPlan& plan, ScanStream& stream, const ScanRun& run);
bool scan_avx2(ScanPlan& plan, ScanStream& stream, const ScanRun& run);
bool scan_avx512(ScanPlan& plan, ScanStream& stream, const ScanRun& run);
bool scan_neon(ScanPlan& plan, ScanStream& stream, const ScanRun& run);

constexpr const char* kEndsEarly = "image data ends early";
constexpr const char* kFilledData = "fill bytes within the image data";

// Moves `at`, the end of image data, past the restart marker that is due (0 to 7).
JpegStatus pass_restart(const uint8_t* data, size_t nbytes, int due, const uint8_t*& at);

}  // namespace imnet
