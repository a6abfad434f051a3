// Every variant gives the same; a box is the cut of the whole.
#include "fuzz.hpp"

using namespace imnet;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t nbytes) {
  static JpegDecoder decoder;
  if (!decoder.open(data, nbytes, kFuzzPixels)) return 0;
  const Box whole = whole_box(decoder.header()), box = some_box(data, nbytes, decoder.header());
  const int width = decoder.header().width;
  std::vector<Pixels> images;
  for (const Kernels* variant : runnable_kernels()) {
    set_simd(variant->name);
    images.push_back(pixels_of(decoder, whole));
    const Pixels part = pixels_of(decoder, box);
    if (images.back().status) {
      require(part.status && is_cut(part.rows, box, images.back().rows, width));
    } else {
      require(images.back().status.offset <= nbytes);
    }
  }
  const Pixels& first = images.front();
  for (const Pixels& image : images) {
    require(image.status.code == first.status.code && image.status.offset == first.status.offset);
    if (first.status) require(image.rows == first.rows);
  }
  return 0;
}
