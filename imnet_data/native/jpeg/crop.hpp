// A smaller JPEG of a part of an image, cut out of the compressed bytes: nothing is decoded.
//
// This needs restart intervals that divide the MCUs of a row, as JpegRewriter makes them. The
// intervals that meet the box, or the pixels next to it that fancy upsampling reads, are kept; the
// markers are renumbered, and the frame header has the new size. Of the application segments only
// JFIF and Adobe stay: they define the colours.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "jpeg/header.hpp"
#include "jpeg/planes.hpp"

namespace imnet {

// Appends the cut to `out`; `inside` is the box in it. The pixels there equal those of the whole,
// decoded and cut. Where the file has no such intervals, all of it is appended.
JpegStatus crop_jpeg(const uint8_t* data, size_t nbytes, const Box& box, std::vector<uint8_t>& out,
                     Box& inside);

}  // namespace imnet
