/* The part of NVML that gpubroker asks for, answered from the file that FAKE_NVML_FILE names: one GPU a line,
   "<uuid>;<name>;<memory MiB>;<error>" where error is 0 or the NVML code that every question about this GPU
   gets (15: the GPU is lost). No file: no driver (9), as on a machine whose driver is not loaded. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { kSuccess = 0, kUninitialized = 1, kInvalidArgument = 2, kDriverNotLoaded = 9 };

struct gpu {
  char uuid[96];
  char name[96];
  unsigned long long memory_mib;
  int error;
};

struct memory {
  unsigned long long total;
  unsigned long long free;
  unsigned long long used;
};

static struct gpu gpus[16];
static unsigned gpu_count;
static int is_up;

int nvmlInit_v2(void);
int nvmlShutdown(void);
int nvmlDeviceGetCount_v2(unsigned* count);
int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct gpu** device);
int nvmlDeviceGetName(struct gpu* device, char* text, unsigned size);
int nvmlDeviceGetUUID(struct gpu* device, char* text, unsigned size);
int nvmlDeviceGetMemoryInfo(struct gpu* device, struct memory* memory);

int nvmlInit_v2(void) {
  const char* path = getenv("FAKE_NVML_FILE");
  FILE* file = path ? fopen(path, "r") : NULL;
  if (!file) { return kDriverNotLoaded; }
  gpu_count = 0;
  struct gpu* gpu = &gpus[0];
  while (gpu_count < 16 &&
         fscanf(file, " %95[^;];%95[^;];%llu;%d", gpu->uuid, gpu->name, &gpu->memory_mib, &gpu->error) == 4) {
    gpu = &gpus[++gpu_count];
  }
  fclose(file);
  is_up = 1;
  return kSuccess;
}

int nvmlShutdown(void) {
  is_up = 0;
  return kSuccess;
}

int nvmlDeviceGetCount_v2(unsigned* count) {
  *count = gpu_count;
  return is_up ? kSuccess : kUninitialized;
}

int nvmlDeviceGetHandleByIndex_v2(unsigned index, struct gpu** device) {
  if (!is_up) { return kUninitialized; }
  if (index >= gpu_count) { return kInvalidArgument; }
  *device = &gpus[index];
  return gpus[index].error;
}

static int answer(const struct gpu* device, const char* value, char* text, unsigned size) {
  if (!is_up) { return kUninitialized; }
  snprintf(text, size, "%s", value);
  return device->error;
}

int nvmlDeviceGetName(struct gpu* device, char* text, unsigned size) {
  return answer(device, device->name, text, size);
}

int nvmlDeviceGetUUID(struct gpu* device, char* text, unsigned size) {
  return answer(device, device->uuid, text, size);
}

int nvmlDeviceGetMemoryInfo(struct gpu* device, struct memory* memory) {
  if (!is_up) { return kUninitialized; }
  memory->total = device->memory_mib << 20;
  memory->used = 0;
  memory->free = memory->total;
  return device->error;
}
