#include "mapping/guard.hpp"

#include <signal.h>
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstring>
#include <mutex>
#include <string>

namespace imnet {
namespace {

struct Guard {
  uintptr_t begin, end;
  std::string text;
};

constexpr int kMostGuards = 1024;
// read by the handler, so a guard that was ended is never freed under it: its text is a few bytes
std::atomic<const Guard*> guards[kMostGuards];
struct sigaction previous;

// Only functions that POSIX allows in a signal handler.
void handle(int, siginfo_t* info, void*) {
  const auto address = reinterpret_cast<uintptr_t>(info->si_addr);
  for (const auto& slot : guards) {
    const Guard* guard = slot.load();
    if (info->si_code != BUS_ADRERR || guard == nullptr) continue;
    if (address < guard->begin || address >= guard->end) continue;
    if (write(STDERR_FILENO, guard->text.data(), guard->text.size()) < 0) _exit(1);
    _exit(1);
  }
  sigaction(SIGBUS, &previous, nullptr);  // who is next: the access is tried again
}

void install() {
  struct sigaction action = {};
  action.sa_sigaction = handle;
  action.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
  sigemptyset(&action.sa_mask);
  sigaction(SIGBUS, &action, &previous);
}

}  // namespace

int guard_mapping(const void* address, size_t nbytes, const char* text) {
  static std::once_flag installed;
  std::call_once(installed, install);
  const auto begin = reinterpret_cast<uintptr_t>(address);
  const auto* const guard = new Guard{begin, begin + nbytes, text};
  for (int i = 0; i < kMostGuards; ++i) {
    const Guard* none = nullptr;
    if (guards[i].compare_exchange_strong(none, guard)) return i;
  }
  delete guard;
  return -1;
}

void unguard_mapping(int number) {
  if (number >= 0 && number < kMostGuards) guards[number].store(nullptr);
}

}  // namespace imnet
