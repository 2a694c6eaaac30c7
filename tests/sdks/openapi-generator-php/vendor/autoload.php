<?php

// What `composer install` would make: Guzzle as Debian has it, and the SDK, whose folder is the one beside the stories.

require '/usr/share/php/GuzzleHttp/autoload.php';

spl_autoload_register(function (string $class): void {
    [, $dialect, $path] = explode('\\', $class, 3) + ['', '', ''];
    $file = dirname(__DIR__) . '/' . lcfirst($dialect) . '-php/lib/' . strtr($path, '\\', '/') . '.php';
    if (str_starts_with($class, 'Acme\\') && is_file($file)) {
        require $file;
    }
});
