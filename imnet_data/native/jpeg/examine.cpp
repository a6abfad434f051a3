#include "jpeg/examine.hpp"

namespace imnet {

JpegExamination examine_jpeg(JpegDecoder& decoder, const uint8_t* data, size_t nbytes,
                             uint64_t max_pixels, bool is_sound) {
  JpegExamination found;
  found.header = decoder.open_any(data, nbytes, max_pixels);
  if (!found.header) return found;
  const JpegHeader& header = decoder.header();
  found.coding = header.decodable();
  found.structure = header.irregular;
  if (!header.readable()) return found;
  const JpegStatus status = decoder.check(is_sound);
  if (status.code == JpegCode::damaged)
    found.data = status;
  else if (found.structure)
    found.structure = status;
  return found;
}

}  // namespace imnet
