// What is to be known of a JPEG before anybody decodes it, all of its entropy-coded data included.
#pragma once

#include <cstddef>
#include <cstdint>

#include "jpeg/decoder.hpp"
#include "jpeg/status.hpp"

namespace imnet {

// Each is ok where there is nothing to report. If all are, JpegDecoder makes the pixels of Pillow.
struct JpegExamination {
  JpegStatus header;  // damaged, so that nothing else is known; or too_large
  JpegStatus coding;     // a kind of JPEG that only other decoders take
  JpegStatus structure;  // what other decoders may read in another way, or refuse
  JpegStatus data;       // damaged; only looked at where coding is sequential Huffman of 8 bits
};

// Costs what the Huffman part of a decode costs, unless `is_sound` is known: JpegRewriter or JpegPacker
// has taken the file. `decoder` keeps its workspace and has the header.
JpegExamination examine_jpeg(JpegDecoder& decoder, const uint8_t* data, size_t nbytes,
                             uint64_t max_pixels, bool is_sound = false);

}  // namespace imnet
