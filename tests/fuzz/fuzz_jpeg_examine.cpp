// What examining says of any bytes is what decoding them gives, in every variant.
#include "fuzz.hpp"
#include "jpeg/examine.hpp"

using namespace imnet;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t nbytes) {
  static JpegDecoder decoder;
  for (const Kernels* variant : runnable_kernels()) {
    set_simd(variant->name);
    const JpegExamination found = examine_jpeg(decoder, data, nbytes, kFuzzPixels);
    for (const JpegStatus& status : {found.header, found.coding, found.structure, found.data})
      require(status.offset <= nbytes);
    const JpegStatus opened = decoder.open(data, nbytes, kFuzzPixels);
    if (!opened) {
      require(!found.header || !found.coding || !found.structure);
      continue;
    }
    require(found.header && found.coding);
    const Pixels pixels = pixels_of(decoder, whole_box(decoder.header()));
    require(bool(pixels.status) == (found.structure && found.data));
    if (pixels.status.code == JpegCode::damaged) require(found.data.offset == pixels.status.offset);
  }
  return 0;
}
