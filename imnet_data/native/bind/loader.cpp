// What Python sees of the loader; imnet_data.loaders.cpu has the documentation.
#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/tuple.h>
#include <nanobind/stl/vector.h>
#include <unistd.h>

#include <cstring>
#include <map>
#include <memory>
#include <stdexcept>
#include <string>
#include <tuple>
#include <vector>

#include "bind/module.hpp"
#include "bind/read_ahead.hpp"
#include "loader/batch.hpp"

namespace nb = nanobind;
using namespace nb::literals;

namespace imnet {
namespace {

// the last axis has the bytes of a pixel, or of its three numbers
using Images = nb::ndarray<uint8_t, nb::ndim<4>, nb::c_contig, nb::device::cpu>;
using Views = std::vector<Images>;  // of all records of a batch, one array per view
using GeometryRows =
    nb::ndarray<const int32_t, nb::shape<-1, kGeometryColumns>, nb::c_contig, nb::device::cpu>;
template <typename Number>
using Column = nb::ndarray<const Number, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Fault = std::tuple<size_t, std::string, std::string>;  // position, what kind, text

const char* code_name(RecordCode code) {
  switch (code) {
    case RecordCode::ok: return "ok";
    case RecordCode::unsupported: return "unsupported";
    case RecordCode::damaged: return "damaged";
    case RecordCode::unreadable: return "unreadable";
    case RecordCode::failed: return "failed";
  }
  return "failed";
}

// A batch under way, and the Python objects that its threads read and write.
struct Pending {
  std::shared_ptr<Batch> batch;
  Views out;
  nb::object normalization, held;
  std::vector<std::unique_ptr<Bytes>> buffers;
  std::vector<std::string> paths;
};

class PyBatchLoader {
 public:
  explicit PyBatchLoader(int threads) : loader_(new BatchLoader(threads)), pid_(getpid()) {}

  PyBatchLoader(const PyBatchLoader&) = delete;
  PyBatchLoader& operator=(const PyBatchLoader&) = delete;

  ~PyBatchLoader() {
    close();
  }

  uint64_t submit_files(const Views& out, const GeometryRows& geometry, bool bicubic,
                        nb::object normalization, const Column<int32_t>& files, const Column<int64_t>& offsets,
                        const Column<int64_t>& nbytes, nb::object held,
                        const std::vector<nb::bytes>& paths, bool whole,
                        const PyReadAheadStream* ahead, size_t first) {
    const size_t count = record_count(out);
    if (files.size() != count || offsets.size() != count || nbytes.size() != count ||
        paths.size() != count)
      throw std::invalid_argument("files, offsets, nbytes and paths must have one row per slot");
    std::vector<std::string> names(count);  // which stay where they are
    std::vector<RecordSource> sources(count);
    for (size_t i = 0; i < count; ++i) {
      names[i].assign(paths[i].c_str(), paths[i].size());
      sources[i] = {nullptr, files.data()[i], names[i].c_str(), offsets.data()[i],
                    nbytes.data()[i], whole};
    }
    Pending pending = {new_batch(out, geometry, bicubic, normalization, std::move(sources)), out,
                       normalization, held, {}, std::move(names)};
    if (ahead != nullptr) pending.batch->ahead = ahead->stream;
    pending.batch->first = first;
    return submit(std::move(pending));
  }

  uint64_t submit_buffers(const Views& out, const GeometryRows& geometry, bool bicubic,
                          nb::object normalization, const nb::list& buffers) {
    const size_t count = record_count(out);
    if (buffers.size() != count)
      throw std::invalid_argument("there must be one buffer per slot");
    std::vector<std::unique_ptr<Bytes>> held;
    std::vector<RecordSource> sources;
    for (const nb::handle buffer : buffers) {
      held.push_back(std::make_unique<Bytes>(buffer));
      sources.push_back({held.back()->data(), -1, "", 0, int64_t(held.back()->size())});
    }
    return submit({new_batch(out, geometry, bicubic, normalization, std::move(sources)), out,
                   normalization, nb::none(), std::move(held), {}});
  }

  std::vector<Fault> wait(uint64_t ticket) {
    const std::shared_ptr<BatchLoader> loader = get();
    std::shared_ptr<Batch> batch;
    for (bool done = false; !done;) {
      const auto found = pending_.find(ticket);  // another thread may have cancelled it
      if (found == pending_.end()) throw std::invalid_argument("there is no such batch under way");
      batch = found->second.batch;
      {
        const Unlocked unlocked;
        done = loader->wait(*batch, std::chrono::milliseconds(100));
      }
      if (!done && PyErr_CheckSignals() != 0) throw nb::python_error();
    }
    std::vector<Fault> faults;
    for (size_t i = 0; i < batch->outcomes.size(); ++i)
      if (batch->outcomes[i].code != RecordCode::ok)
        faults.emplace_back(i, code_name(batch->outcomes[i].code), batch->outcomes[i].text);
    pending_.erase(ticket);
    return faults;
  }

  void cancel(uint64_t ticket) {
    if (loader_ == nullptr || getpid() != pid_) return;  // nothing is under way
    const std::shared_ptr<BatchLoader> loader = get();
    const auto found = pending_.find(ticket);
    if (found == pending_.end()) return;
    const std::shared_ptr<Batch> batch = found->second.batch;
    {
      const Unlocked unlocked;
      loader->cancel(*batch);
    }
    pending_.erase(ticket);
  }

  void close() {
    if (loader_ == nullptr) return;
    const std::shared_ptr<BatchLoader> loader = std::move(loader_);
    // the threads are not in a forked child: there is nothing to join, and no lock to trust
    if (getpid() != pid_) {
      new std::shared_ptr<BatchLoader>(loader);
      return;
    }
    {
      const Unlocked unlocked;
      loader->close();
    }
    pending_.clear();
  }

 private:
  std::shared_ptr<BatchLoader> get() const {
    if (loader_ == nullptr) throw std::invalid_argument("the loader is closed");
    if (getpid() != pid_)
      throw std::invalid_argument("a loader cannot be used in a forked process: open one there");
    return loader_;
  }

  static size_t record_count(const Views& out) {
    if (out.empty()) throw std::invalid_argument("there must be at least one view");
    for (const Images& view : out) {
      if (view.shape(0) != out.front().shape(0))
        throw std::invalid_argument("all views must have one slot per record");
      const size_t side = view.shape(1);
      if (view.shape(2) != side || side < 1 || side > static_cast<size_t>(Resizer::kMaxSource))
        throw std::invalid_argument("slots must be squares");
    }
    return out.front().shape(0);
  }

  static std::shared_ptr<Batch> new_batch(const Views& out, const GeometryRows& geometry,
                                          bool bicubic, const nb::object& normalization,
                                          std::vector<RecordSource> sources) {
    const size_t rows = sources.size() * out.size();
    if (geometry.shape(0) != rows)
      throw std::invalid_argument("geometry must have one row per view of each record");
    auto batch = std::make_shared<Batch>();
    batch->sources = std::move(sources);
    batch->geometry.resize(rows);
    if (rows > 0)
      std::memcpy(static_cast<void*>(batch->geometry.data()), geometry.data(),
                  rows * sizeof(RecordGeometry));
    batch->filter = bicubic ? Filter::bicubic : Filter::bilinear;
    if (!normalization.is_none())
      batch->normalization = nb::cast<const Normalization*>(normalization);
    const size_t nbytes =
        batch->normalization ? number_nbytes(batch->normalization->type) : size_t{1};
    for (const Images& view : out) {
      if (view.shape(3) != 3 * nbytes)
        throw std::invalid_argument("slots must have three samples of the size that is asked for");
      batch->views.push_back({view.data(), static_cast<int>(view.shape(1)), nbytes});
    }
    return batch;
  }

  uint64_t submit(Pending pending) {
    get()->submit(pending.batch);
    pending_.emplace(++last_ticket_, std::move(pending));
    return last_ticket_;
  }

  std::shared_ptr<BatchLoader> loader_;
  pid_t pid_;
  uint64_t last_ticket_ = 0;
  std::map<uint64_t, Pending> pending_;
};

}  // namespace

void bind_loader(nb::module_& m) {
  nb::class_<PyBatchLoader>(m, "BatchLoader")
      .def(nb::init<int>(), "threads"_a)
      .def("submit_files", &PyBatchLoader::submit_files, "out"_a, "geometry"_a, "bicubic"_a,
           "normalization"_a.none(), "files"_a, "offsets"_a, "nbytes"_a, "held"_a, "paths"_a, "whole"_a, "ahead"_a.none(), "first"_a)
      .def("submit_buffers", &PyBatchLoader::submit_buffers, "out"_a, "geometry"_a, "bicubic"_a,
           "normalization"_a.none(), "buffers"_a)
      .def("wait", &PyBatchLoader::wait, "ticket"_a)
      .def("cancel", &PyBatchLoader::cancel, "ticket"_a)
      .def("close", &PyBatchLoader::close);
}

}  // namespace imnet
