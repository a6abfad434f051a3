#include "fuzz.hpp"

using namespace imnet;

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t nbytes) {
  JpegHeader header;
  const JpegStatus status = header.read(data, nbytes);
  if (!status) {
    require(status.code == JpegCode::damaged && status.offset <= nbytes);
    return 0;
  }
  require(header.width > 0 && header.height > 0 && header.scan.data_offset <= nbytes);
  bool found = true;
  while (found && header.read_next_scan(data, nbytes, header.scan.data_offset, found))
    require(header.scan.data_offset <= nbytes);
  return 0;
}
