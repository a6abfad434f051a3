// Lossless rewriting of a baseline JPEG to restart intervals, and back to the original bytes.
//
// The bits of all AC coefficients are copied. At the start of an interval the DC predictions are 0
// again, so the first DC difference of each component is rewritten; all others stay. Where a DC
// table lacks a category that this needs, codes are added after its last one, and the existing
// codes stay as they are.
//
// Two new segments come before the scan header: ours (APP10), then the restart interval.
//   FF EA 00 0C "imnet" 00 01 PAD ADDED-0-1 ADDED-2-3
//   FF DD 00 04 INTERVAL
// PAD is the bits that filled the scan's last byte; ADDED counts the codes added to DC tables, four
// bits per table. Everything before them except the DC tables, and everything after the scan, is
// unchanged.
//
// Measured: with intervals of 64 to 256 pixels, boxes of RandomResizedCrop decode equally fast
// (within 5 %); the files grow by 1.2 % at 64, 0.4 % at 128, 0.3 % at 256.
//
// Source: ITU-T T.81, B.2.4.4, E.1.4, F.1.2.1.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "jpeg/dc_codes.hpp"
#include "jpeg/header.hpp"
#include "jpeg/intervals.hpp"
#include "jpeg/planes.hpp"

namespace imnet {

// One per thread; keeps its workspace between images.
class JpegRewriter {
 public:
  // Appends the seekable file to `out`; `not_seekable` with the reason where it cannot be made, or
  // restore() would not return the same bytes. `target_width` is that of an interval, in pixels.
  JpegStatus seekable(const uint8_t* data, size_t nbytes, int target_width,
                      std::vector<uint8_t>& out);

  // Appends the original of what seekable() made; `not_seekable` where it did not make it.
  JpegStatus restore(const uint8_t* data, size_t nbytes, std::vector<uint8_t>& out);

 private:
  bool missing_categories(const DcSpecs& specs, std::array<std::vector<uint8_t>, 4>& missing) const;
  bool restore_header(const JpegHeader& header, const uint8_t* data, std::vector<uint8_t>& out);
  bool differences_are_canonical(const DcSpecs& specs);
  bool write_scan(const DcSpecs& specs, bool restarts, unsigned pad, std::vector<uint8_t>& out);

  JpegIntervals intervals_;
  GrowingBuffer rewritten_;
  std::vector<uint8_t> check_;
  DcSpecs restored_dc_;
  unsigned restored_pad_ = 0;
};

// The divisor of `columns` MCUs whose width is nearest to `target` pixels, by ratio.
int restart_interval_near(int columns, int mcu_width, int target);

}  // namespace imnet
