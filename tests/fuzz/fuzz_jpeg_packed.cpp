// What is packed can be had back and decodes to the same pixels; any bytes may be taken for packed.
#include "fuzz.hpp"
#include "packed/packer.hpp"
#include "packed/restorer.hpp"

using namespace imnet;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t nbytes) {
  static JpegPacker packer;
  static PackedRestorer restorer;
  static JpegDecoder decoder;
  std::vector<uint8_t> made, back;
  const int target = nbytes % 2 == 0 ? 128 : 8;
  if (packer.pack(data, nbytes, target, made)) {
    require(bool(restorer.restore(made.data(), made.size(), back)));
    require(back == exact_copy(data, nbytes));
    if (decoder.open(data, nbytes, kFuzzPixels)) {
      const Box whole = whole_box(decoder.header()), part = some_box(data, nbytes, decoder.header());
      const Pixels before = pixels_of(decoder, whole);
      require(bool(decoder.open(made.data(), made.size(), kFuzzPixels)));
      require(bool(decoder.check()));
      const Pixels after = pixels_of(decoder, whole), cut = pixels_of(decoder, part);
      require(bool(after.status) && bool(cut.status));
      if (before.status) require(before.rows == after.rows);
      require(is_cut(cut.rows, part, after.rows, whole.width()));
    }
  }
  back.clear();
  if (!restorer.restore(data, nbytes, back)) require(back.empty());
  if (is_packed(data, nbytes) && decoder.open(data, nbytes, kFuzzPixels)) {
    pixels_of(decoder, some_box(data, nbytes, decoder.header()));
    decoder.check();
  }
  return 0;
}
