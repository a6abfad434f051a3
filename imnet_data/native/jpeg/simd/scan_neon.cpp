#include "jpeg/scan.hpp"

#if defined(__aarch64__)

#include "jpeg/simd/idct_neon.hpp"

#define IMNET_SCAN_TARGET
#define IMNET_IDCT idct_neon
#define IMNET_SCAN_NAME scan_neon
#include "jpeg/scan_loop.hpp"

#endif
