// Stands in for libFuzzer: runs a target on each file named, and on mutations of it.
//   fuzz_jpeg_decode [-mutations=COUNT] [-seconds=COUNT] FILE...
#include <fcntl.h>
#include <unistd.h>

#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t nbytes);

namespace {

using Bytes = std::vector<uint8_t>;

Bytes mutated(Bytes bytes, const Bytes& other, std::mt19937& random) {
  const auto below = [&](size_t count) { return count == 0 ? 0 : random() % count; };
  for (size_t i = 1 + below(4); i > 0 && !bytes.empty(); --i) {
    const size_t at = below(bytes.size());
    switch (below(6)) {
      case 0: bytes[at] ^= uint8_t(1u << below(8)); break;
      case 1: bytes[at] = uint8_t(random()); break;
      case 2: bytes.resize(at); break;
      case 3: bytes.insert(bytes.begin() + at, 1 + below(4), uint8_t(random())); break;
      case 4: bytes.erase(bytes.begin() + at, bytes.begin() + at + below(bytes.size() - at)); break;
      default: {
        const size_t from = below(other.size()), count = below(other.size() - from);
        bytes.insert(bytes.begin() + at, other.begin() + from, other.begin() + from + count);
      }
    }
  }
  return bytes;
}

}  // namespace

int main(int argc, char** argv) {
  size_t mutations = 0;
  double seconds = 0;
  std::vector<Bytes> files;
  for (int i = 1; i < argc; ++i) {
    if (std::strncmp(argv[i], "-mutations=", 11) == 0) {
      mutations = std::stoul(argv[i] + 11);
    } else if (std::strncmp(argv[i], "-seconds=", 9) == 0) {
      seconds = std::stod(argv[i] + 9);
    } else {
      std::ifstream file(argv[i], std::ios::binary);
      files.emplace_back(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
    }
  }
  for (const Bytes& bytes : files) LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
  std::mt19937 random(1);
  const auto start = std::chrono::steady_clock::now();
  const auto passed = [&] {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  };
  size_t count = 0;
  // stays open: closing a file that was cut to nothing waits for the disk
  const int last = open("last-input", O_RDWR | O_CREAT | O_TRUNC, 0644);
  while (!files.empty() && (count < mutations || passed() < seconds)) {
    const Bytes bytes =
        mutated(files[random() % files.size()], files[random() % files.size()], random);
    if (pwrite(last, bytes.data(), bytes.size(), 0) != ssize_t(bytes.size()) ||
        ftruncate(last, off_t(bytes.size())) != 0)
      return 2;
    LLVMFuzzerTestOneInput(bytes.data(), bytes.size());
    ++count;
  }
  std::printf("%zu files, %zu mutations\n", files.size(), count);
}
