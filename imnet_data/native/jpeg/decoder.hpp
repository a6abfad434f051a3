// JPEG to RGB, equal to libjpeg-turbo's accurate decode bit for bit; for use from any thread. Packed
// JPEGs are read as well, and have the pixels of the published ones.
//
// Contract:
//   JpegDecoder decoder;                   // one per thread; keeps its workspace between images
//   JpegStatus status = decoder.open(data, nbytes);   // reads the header, allocates nothing
//   if (status) status = decoder.decode(box, out, out_stride);
//   if (!status) ...                           // status.code, status.text, status.offset
// - `data` must stay as it is from open() to the last decode(); any number of boxes may be decoded.
// - `box` must lie within (0, 0, header().width, header().height) and not be empty.
// - `out` receives box.height() rows of box.width() * 3 bytes R, G, B, `out_stride` bytes apart;
//   nothing is written past the last byte of a row. If decode() fails, its content is undefined.
// - `unsupported` is what this decoder leaves to others (progressive, arithmetic, 12 bits, lossless,
//   two or four components, a structure that they may read otherwise, no JPEG at all): pass the
//   same bytes to another decoder. `damaged` is entropy-coded data that breaks the standard.
// - No exceptions but std::bad_alloc, from the growth of the workspace: one byte per sample of the
//   MCUs that the box needs, the size of the compressed data, and 16 bytes for each block before the
//   end of the box, or of the image for check(). It never shrinks.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "jpeg/header.hpp"
#include "jpeg/planes.hpp"
#include "jpeg/status.hpp"
#include "packed/decode.hpp"

namespace imnet {

class JpegDecoder {
 public:
  static constexpr uint64_t kMaxPixels = 178956970;  // where Pillow refuses, too

  JpegDecoder();
  ~JpegDecoder();
  JpegDecoder(const JpegDecoder&) = delete;
  JpegDecoder& operator=(const JpegDecoder&) = delete;

  JpegStatus open(const uint8_t* data, size_t nbytes, uint64_t max_pixels = kMaxPixels);
  // The same without the judgement whether the pixels would be those of others: for check(), and
  // for decode() where header().decodable().
  JpegStatus open_any(const uint8_t* data, size_t nbytes, uint64_t max_pixels = kMaxPixels);
  const JpegHeader& header() const { return header_; }

  // What decode() reads of a packed file's blocks, before which open() reads; nothing where the file
  // is not packed, and all of it may be read.
  ByteRange needed(const Box& box) const;

  JpegStatus decode(const Box& box, uint8_t* out, ptrdiff_t out_stride);

  // Reads all of the entropy-coded data and makes no pixels; header().readable() must hold. Where
  // `is_sound` is known of the data, in one scan, what is around it alone is read.
  JpegStatus check(bool is_sound = false);

 private:
  struct Workspace;
  JpegHeader header_;
  const uint8_t* data_ = nullptr;
  size_t nbytes_ = 0;
  bool is_packed_ = false;
  PackedFile packed_file_;
  PackedDecoder packed_;
  std::unique_ptr<Workspace> work_;
};

}  // namespace imnet
