#include "jpeg/scan.hpp"

#define IMNET_SCAN_TARGET
#define IMNET_IDCT idct_scalar
#define IMNET_SCAN_NAME scan_scalar
#define IMNET_SCAN_LANES_NAME scan_lanes_scalar
#include "jpeg/scan_loop.hpp"
#include "jpeg/scan_lanes.hpp"

namespace imnet {

JpegStatus pass_restart(const uint8_t* data, size_t nbytes, int due, const uint8_t*& at) {
  const uint8_t* const end = data + nbytes;
  while (end - at >= 2 && at[1] == 0xFF) ++at;  // fill bytes
  if (end - at < 2) return damaged(kEndsEarly, nbytes);
  if (at[1] == 0) return unsupported(kFilledData, at - data);
  if (at[1] != 0xD0 + due) return damaged("not the restart marker that is due", at - data);
  at += 2;
  return {};
}

}  // namespace imnet
