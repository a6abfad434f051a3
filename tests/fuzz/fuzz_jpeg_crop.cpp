// The cut has the pixels of the whole; so has the cut of what is made seekable first.
#include "fuzz.hpp"
#include "jpeg/crop.hpp"
#include "jpeg/seekable.hpp"

using namespace imnet;

namespace {

void check(const std::vector<uint8_t>& jpeg) {
  static JpegDecoder decoder;
  JpegHeader header;
  if (!header.read(jpeg.data(), jpeg.size())) return;
  const Box box = some_box(jpeg.data(), jpeg.size(), header);
  Box inside;
  std::vector<uint8_t> cut;
  const JpegStatus status = crop_jpeg(jpeg.data(), jpeg.size(), box, cut, inside);
  if (!decoder.open(jpeg.data(), jpeg.size(), kFuzzPixels)) return;
  const Pixels whole = pixels_of(decoder, whole_box(header));
  if (!whole.status) return;
  require(bool(status) && bool(decoder.open(cut.data(), cut.size(), kFuzzPixels)));
  const Pixels part = pixels_of(decoder, inside);
  require(part.status && is_cut(part.rows, box, whole.rows, header.width));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t nbytes) {
  static JpegRewriter rewriter;
  check(exact_copy(data, nbytes));
  std::vector<uint8_t> made;
  if (rewriter.seekable(data, nbytes, 16, true, made)) check(made);
  return 0;
}
