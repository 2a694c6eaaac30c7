<?php

// Loads every file of an SDK: syntax, and that each class has what its parents and interfaces ask for.

declare(strict_types=1);

require __DIR__ . '/vendor/autoload.php';

set_error_handler(function (int $level, string $said, string $file, int $line): never {
    throw new ErrorException($said, 0, $level, $file, $line);
});

$files = new RecursiveIteratorIterator(new RecursiveDirectoryIterator("$argv[1]/lib", FilesystemIterator::SKIP_DOTS));
foreach ($files as $file) {
    require_once $file->getRealPath();
}
