// What is made seekable can be had back, decodes to the same pixels, and restore takes anything.
#include "fuzz.hpp"
#include "jpeg/seekable.hpp"

using namespace imnet;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t nbytes) {
  static JpegRewriter rewriter;
  static JpegDecoder decoder;
  std::vector<uint8_t> made, back;
  const int target = nbytes % 2 == 0 ? 128 : 8;
  const bool joined = nbytes % 4 < 2;
  if (rewriter.seekable(data, nbytes, target, joined, made)) {
    for (const bool is_hashed : {false, true}) {
      back.clear();
      require(bool(rewriter.restore(made.data(), made.size(), is_hashed, back)));
      require(back == exact_copy(data, nbytes));
    }
    if (decoder.open(data, nbytes, kFuzzPixels)) {
      const Box whole = whole_box(decoder.header());
      const Pixels before = pixels_of(decoder, whole);
      require(bool(decoder.open(made.data(), made.size(), kFuzzPixels)));
      const Pixels after = pixels_of(decoder, whole);
      require(before.status.code == after.status.code);
      if (before.status) require(before.rows == after.rows);
    }
  }
  for (const bool is_hashed : {false, true}) {
    back.clear();
    if (!rewriter.restore(data, nbytes, is_hashed, back)) require(back.empty());
  }
  return 0;
}
