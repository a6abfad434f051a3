// Checks each kernel of each variant that this machine runs against the scalar one, with random and
// extreme input made from seeds, and prints a line for each. With --speed, prints how long each
// kernel takes instead. In the root of a clone:
//   g++ -std=c++17 -O3 -ffp-contract=off -pthread -I imnet_data/native tests/native/kernels*.cpp
//       $(find imnet_data/native -name '*.cpp' ! -path '*/bind/*') -o build/kernels
//   build/kernels [CASES | --speed]
#include "kernels.hpp"

#include <chrono>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "kernel_cases.hpp"

using namespace imnet;

namespace {

// What runs now, for the signal that it may end with.
const char *kernel_name = "", *variant_name = "";

void report_crash(int signal) {
  std::fprintf(stderr, "%s %s: signal %d\n", kernel_name, variant_name, signal);
  std::_Exit(2);
}

bool is_scalar(const Kernel& kernel, const Kernels& table) {
  return kernel.function(table) == kernel.function(*runnable_kernels().front());
}

// Whether `table` writes what the scalar kernel writes in this case.
bool same(const Kernel& kernel, const Kernels& table, int number) {
  Random random(number), again(number);
  const Case scalar = kernel.make(random, false), other = kernel.make(again, false);
  const Bytes& expected = scalar.run(*runnable_kernels().front());
  const Bytes& found = other.run(table);
  if (found == expected) return true;
  size_t at = 0;
  while (at < found.size() && at < expected.size() && found[at] == expected[at]) ++at;
  std::printf("%-14s %-7s differs (case %d, from byte %zu of %zu)\n", kernel.name, table.name,
              number, at, expected.size());
  return false;
}

bool check(const Kernel& kernel, const Kernels& table, int cases) {
  kernel_name = kernel.name;
  variant_name = table.name;
  for (int number = 0; number < cases; ++number)
    if (!same(kernel, table, number)) return false;
  std::printf("%-14s %-7s ok (%d cases)\n", kernel.name, table.name, cases);
  return true;
}

// The best of several measurements, in ns per unit of work.
double time_of(const Kernel& kernel, const Kernels& table) {
  using Clock = std::chrono::steady_clock;
  Random random(1);
  const Case timed = kernel.make(random, true);
  double best = 1e9;
  int calls = 1;
  for (int turn = 0; turn < 12;) {
    const Clock::time_point start = Clock::now();
    for (int i = 0; i < calls; ++i) timed.run(table);
    const double taken = std::chrono::duration<double, std::nano>(Clock::now() - start).count();
    if (taken < 5e6) {
      calls *= 2;
      continue;
    }
    best = std::min(best, taken / calls / timed.work);
    ++turn;
  }
  return best;
}

void print_speed(const Kernel& kernel) {
  double scalar = 0;
  for (const Kernels* table : runnable_kernels()) {
    if (scalar != 0 && is_scalar(kernel, *table)) continue;
    const double found = time_of(kernel, *table);
    if (scalar == 0) scalar = found;
    std::printf("%-14s %-7s %8.3f ns per %-6s %6.2f times scalar\n", kernel.name, table->name,
                found, kernel.unit, scalar / found);
  }
}

}  // namespace

int main(int argc, char** argv) {
  for (int signal : {SIGSEGV, SIGBUS, SIGILL, SIGABRT}) std::signal(signal, report_crash);
  std::vector<Kernel> all = scan_kernels();
  for (const auto& others : {entropy_kernels(), pixel_kernels()})
    all.insert(all.end(), others.begin(), others.end());
  const bool speed = argc > 1 && std::strcmp(argv[1], "--speed") == 0;
  const int cases = argc > 1 && !speed ? std::atoi(argv[1]) : 500;
  bool sound = true;
  for (const Kernel& kernel : all) {
    if (speed) print_speed(kernel);
    for (const Kernels* table : runnable_kernels()) {
      if (speed || table == runnable_kernels().front()) continue;
      if (is_scalar(kernel, *table))
        std::printf("%-14s %-7s scalar (it has no kernel of its own)\n", kernel.name, table->name);
      else
        sound &= check(kernel, *table, cases);
    }
  }
  return sound ? 0 : 1;
}
