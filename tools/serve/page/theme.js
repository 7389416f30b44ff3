// Copyright 2026 The gemma3.cpp authors. SPDX-License-Identifier: Apache-2.0
//
// Loaded before the first paint, so that a page that was switched to dark does not flash white.
try {
  const theme = localStorage.getItem('gemma3.theme');
  if (theme === 'light' || theme === 'dark') document.documentElement.dataset.theme = theme;
} catch {
  // Storage is forbidden in this browser: the system's scheme is followed.
}
