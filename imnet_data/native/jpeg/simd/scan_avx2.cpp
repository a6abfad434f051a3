#if defined(__x86_64__)

#include "jpeg/simd/idct_avx2.hpp"

#define IMNET_SCAN_BMI2
#define IMNET_SCAN_TARGET __attribute__((target("avx2,bmi,bmi2")))
#define IMNET_IDCT idct_avx2
#define IMNET_SCAN_NAME scan_avx2
#include "jpeg/scan_loop.hpp"

#endif
