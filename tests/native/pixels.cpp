// Writes the pixels of JPEGs, of a box in each and of what they are resized to, with a variant of
// the native code:
//   pixels VARIANT OUT FILE...
// test_arm64.py makes the same ones in Python, and has the list of sizes.
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "kernels.hpp"
#include "jpeg/decoder.hpp"
#include "resize/resizer.hpp"

using namespace imnet;

namespace {

using Bytes = std::vector<uint8_t>;

constexpr int kSizes[][2] = {{1, 1}, {3, 50}, {64, 5}, {97, 61}, {224, 224}};

Bytes resized(const Bytes& image, int width, int height, const int* size, Filter filter) {
  static Resizer resizer;
  const ResizeSpec spec = {width,
                           height,
                           0.0f,
                           0.0f,
                           float(width),
                           float(height),
                           size[0],
                           size[1],
                           {0, 0, size[0], size[1]},
                           filter,
                           filter == Filter::bicubic};
  const Box part = resizer.plan(spec);
  Bytes out(size_t(size[0]) * size[1] * 3);
  resizer.run(image.data() + (size_t(part.upper) * width + part.left) * 3, width * 3, 3,
              out.data(), size[0] * 3);
  return out;
}

}  // namespace

int main(int argc, char** argv) {
  set_simd(argv[1]);
  std::ofstream out(argv[2], std::ios::binary);
  const auto write = [&](const Bytes& bytes) {
    out.write(reinterpret_cast<const char*>(bytes.data()), std::streamsize(bytes.size()));
  };
  JpegDecoder decoder;
  for (int i = 3; i < argc; ++i) {
    std::ifstream file(argv[i], std::ios::binary);
    const Bytes jpeg((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
    JpegStatus status = decoder.open(jpeg.data(), jpeg.size());
    const int width = decoder.header().width, height = decoder.header().height;
    Bytes image(size_t(width) * height * 3);
    if (status) status = decoder.decode({0, 0, width, height}, image.data(), width * 3);
    const Box box = {width / 4, height / 3, width - width / 5, height - height / 6};
    Bytes part(size_t(box.width()) * box.height() * 3);
    if (status) status = decoder.decode(box, part.data(), box.width() * 3);
    if (!status) {
      std::fprintf(stderr, "%s: %s\n", argv[i], status.text);
      return 1;
    }
    write(image);
    write(part);
    for (const auto& size : kSizes)
      for (Filter filter : {Filter::bilinear, Filter::bicubic})
        write(resized(image, width, height, size, filter));
  }
  return out.flush() ? 0 : 1;
}
